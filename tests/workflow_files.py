"""The shipped workflows, and what the tests change in them so that they run without a download."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from comfy_client import ComfyClient
from demo_graph import DEMO_LOADER, DEMO_MODEL, EXAMPLE_LOADER, RANDOM_LOADER
from PIL import Image
from places import ROOT

sys.path.append(str(ROOT / "tools" / "workflows"))
import make_workflows as make_workflows  # handed on: only here is their folder on the path
from swap_model import Graph, with_model
from swap_model import nodes_of as nodes_of
from swap_model import shortened as shortened
from swap_model import without_helpers as without_helpers

UI_FILES = sorted((ROOT / "workflows").glob("*.json"))
NAMES = [path.stem for path in UI_FILES]
TITLE = 30  # height of a node's title bar, above its position
KINDS = {"sdxl_cell_style (download)": "sdxl"}


def read_ui(name: str) -> dict[str, Any]:
    """A workflow as the front end saves it."""
    return json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))


def read_api(name: str) -> Graph:
    """A workflow as the server takes it."""
    return json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))


def overlapping(workflow: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of nodes, and pairs of frames, that lie on one another, by title."""
    nodes = [(node.get("title", node["type"]), box_of(node)) for node in workflow["nodes"]]
    frames = [(group["title"], frame_of(group)) for group in workflow["groups"]]
    return [
        (a, b)
        for boxes in (nodes, frames)
        for (a, first), (b, second) in itertools.combinations(boxes, 2)
        if first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
    ]


def box_of(node: dict[str, Any]) -> tuple[float, ...]:
    """Left, top, right, bottom of a node with its title bar."""
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE, x + width, y + height


def frame_of(group: dict[str, Any]) -> tuple[float, ...]:
    """Left, top, right, bottom of a group."""
    x, y, width, height = group["bounding"]
    return x, y, x + width, y + height


def has_demo_model(client: ComfyClient) -> bool:
    """Whether the embedded model can be loaded: its node is there, and its weights are."""
    return DEMO_MODEL.is_file() and bool(client.object_info(DEMO_LOADER))


def with_tiny_model(graph: Graph, kind: str) -> Graph:
    """A copy in which one small random model stands for the checkpoint and its prompt, or for the demo model."""
    return with_model(graph, RANDOM_LOADER, kind=kind, seed=0)


def without_text_encoder(graph: Graph, width: int) -> Graph:
    """A copy in which random tokens of a width stand for what the text encoder makes of a prompt."""
    graph = copy.deepcopy(graph)
    for node_id in nodes_of(graph, "CLIPTextEncode"):
        graph[node_id] |= {"class_type": "CellStyleTestText", "inputs": {"width": width}}
    for node_id in nodes_of(graph, "CLIPLoader"):
        del graph[node_id]
    return graph


def with_small_pictures(graph: Graph, folder: Path, size: tuple[int, int] = (128, 96)) -> Graph:
    """A copy that loads small noise, (width, height), from an input folder where it showed the pack's pictures."""
    graph = copy.deepcopy(graph)
    for node_id in nodes_of(graph, EXAMPLE_LOADER):
        graph[node_id] |= {"class_type": "LoadImage", "inputs": {"image": put_picture(folder, int(node_id), size)}}
    for node_id in nodes_of(graph, "CellStyleLoadFolder"):
        (folder / "plate").mkdir(exist_ok=True)
        for i in (2, 10):
            put_picture(folder / "plate", i, size)
        graph[node_id]["inputs"]["folder"] = "plate"
    for node_id in nodes_of(graph, "CellStyleLoadMicrograph"):
        put = put_frames if graph[node_id]["inputs"]["time"] == "frames" else put_picture
        graph[node_id]["inputs"]["file"] = put(folder, int(node_id), size)
    return graph


def put_picture(folder: Path, seed: int, size: tuple[int, int]) -> str:
    """Smooth noise of a size as a PNG in a folder; its name."""
    name = f"noise_{seed}_{size[0]}x{size[1]}.png"
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(folder / name)
    return name


def put_frames(folder: Path, seed: int, size: tuple[int, int]) -> str:
    """Two frames of smooth noise that moves a little, as a TIFF with a time axis; its name."""
    picture = np.asarray(Image.open(folder / put_picture(folder, seed, size)))
    name = f"noise_{seed}_{size[0]}x{size[1]}.tif"
    frames = np.stack([picture, np.roll(picture, 4, 1)])
    tifffile.imwrite(folder / name, frames, ome=True, photometric="rgb", metadata={"axes": "TYXS"})
    return name


def put_upscaler(path: Path) -> None:
    """A small random ESRGAN that enlarges four times, in the format of the file that it stands for."""
    import torch
    from safetensors.torch import save_file
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(ESRGAN(num_filters=8, num_blocks=1, scale=4).state_dict(), path)


@contextlib.contextmanager
def named_models(folder: Path) -> Iterator[None]:
    """While it is entered, a models folder has an (empty) file for each model that the workflows name."""
    named = {
        folder / model["directory"] / model["name"]
        for name in NAMES
        for node in read_ui(name)["nodes"]
        for model in node["properties"].get("models", [])
    }
    missing = [path for path in named if not path.exists()]
    for path in missing:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    try:
        yield
    finally:
        for path in missing:
            path.unlink()
