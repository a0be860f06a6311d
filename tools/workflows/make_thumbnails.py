#!/usr/bin/env python3
"""Run every workflow on the demo model, in a real ComfyUI, and write its picture to workflows/NAME.jpg.

    python3 tools/workflows/make_thumbnails.py [NAME ...]

A thumbnail is the workflow's result with its content and its style in the corners. Those of the Stable Diffusion
workflows are made with the demo model too: they show what the graph does, not what that checkpoint would give.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from comfy_server import ComfyServer
from host_layout import ROOT
from PIL import Image
from swap_model import DEMO_LOADER, Graph, nodes_of, shortened, with_model, without_helpers

SIDE, INSET, BORDER, QUALITY = 400, 120, 3, 82
FRAMES = 4  # of a time-lapse; the last is shown
LARGEST = 512  # width in pixels where the workflow scales its pictures: the demo model is slow above
WHOLE = {"gamma_tau_sheet": "SaveImage", "micrograph_fidelity": "PreviewImage"}  # pictures that say it all themselves


def results_of(server: ComfyServer, graph: Graph, *kinds: str) -> list[list[Image.Image]]:
    """What the nodes of each class show after a run."""
    done = server.client.run(graph, timeout=900)
    return [
        [
            Image.open(io.BytesIO(server.client.fetch_image(image))).convert("RGB")
            for node in nodes_of(graph, kind)
            for image in done.outputs[node]["images"]
        ]
        for kind in kinds
    ]


def as_frames(graph: Graph) -> Graph:
    """A copy that saves the frames of a video as pictures."""
    graph = copy.deepcopy(graph)
    for node in nodes_of(graph, "SaveVideo"):
        video = graph[graph[node]["inputs"]["video"][0]]
        graph[node] = {
            "class_type": "SaveImage",
            "inputs": {"images": video["inputs"]["images"], "filename_prefix": "frame"},
        }
    return graph


def square(picture: Image.Image, side: int) -> Image.Image:
    """The middle of a picture, at a size."""
    width, height = picture.size
    short = min(width, height)
    left, top = (width - short) // 2, (height - short) // 2
    return picture.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.LANCZOS)


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """A whole picture on a dark square."""
    picture = picture.copy()
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (side, side), (24, 24, 24))
    sheet.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return sheet


def composed(results: list[Image.Image], corners: list[Image.Image]) -> Image.Image:
    """The results in strips of equal width, with small pictures along the left edge."""
    sheet = Image.new("RGB", (SIDE, SIDE))
    count = len(results)
    for number, picture in enumerate(results):
        left, right = SIDE * number // count, SIDE * (number + 1) // count
        sheet.paste(square(picture, SIDE).crop((left, 0, right, SIDE)), (left, 0))
    inset = min(INSET, SIDE // (len(corners) + 1))
    tops = [BORDER * 3, SIDE - inset - BORDER * 3, (SIDE - inset) // 2]
    for picture, top in zip(corners, tops, strict=False):
        sheet.paste((255, 255, 255), (BORDER * 2, top - BORDER, BORDER * 4 + inset, top + inset + BORDER))
        sheet.paste(square(picture, inset), (BORDER * 3, top))
    return sheet


def thumbnail(server: ComfyServer, name: str) -> Image.Image:
    """Run one workflow and compose its picture."""
    graph = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))
    graph = shortened(without_helpers(with_model(graph, DEMO_LOADER)), steps=20, max_frames=FRAMES)
    for node in nodes_of(graph, "ImageScale"):
        graph[node]["inputs"]["width"] = LARGEST
    for node in nodes_of(graph, "CellStyleLoadFolder"):
        folder = server.input_dir / "plate"
        shutil.copytree(ROOT / "example_images", folder, ignore=shutil.ignore_patterns("style_*"), dirs_exist_ok=True)
        graph[node]["inputs"]["folder"] = folder.name
    if name in WHOLE:
        return fitted(results_of(server, graph, WHOLE[name])[0][0], SIDE)
    graph, is_video = as_frames(graph), bool(nodes_of(graph, "SaveVideo"))
    kind = "SaveImage" if nodes_of(graph, "SaveImage") else "PreviewImage"
    micrographs, results = results_of(server, graph, "CellStyleLoadMicrograph", kind)
    shown = [graph[node]["inputs"]["picture"] for node in nodes_of(graph, "CellStyleLoadExample")]
    corners = micrographs[:1] + [Image.open(ROOT / "example_images" / each).convert("RGB") for each in shown]
    return composed(results[-1:] if is_video else results, [] if len(corners) > 3 else corners)


def main() -> int:
    """Make the thumbnails of the named workflows, or of all."""
    every = sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*every, []], metavar="NAME", help="default: every workflow")
    names = parser.parse_args().names or every
    with ComfyServer() as server:
        for name in names:
            path = ROOT / "workflows" / f"{name}.jpg"
            thumbnail(server, name).save(path, quality=QUALITY, optimize=True)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
