#!/usr/bin/env python3
"""How much a styled time-lapse flickers, as a multiple of its source's own noise, before and after Steady Frames.

    .host/venv/bin/python tools/demo_model/evaluate_flicker.py [--size 128] [--style mural] [--threads 4]

The example's eight frames, their first pixels, through Cell Style Transfer of Frames and the fast inversion; flicker is
Cell Style Fidelity's.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from evaluate_setup import Bench
from train_paths import ROOT

EXAMPLES = ROOT / "example_images"
FALLING = {"gamma_curve": "cosine", "gamma_end": 0.3}
# what Cell Style Transfer of Frames is set to; the first three leave the injection out
WAYS = {
    "the autoencoder alone": None,
    "the round trip": {"gamma": 1.0, "strength": 0.0, "alone": True},
    "the start alone, noise-preserving": {"alone": True},
    "the start alone, global": {"start": "global", "alone": True},
    "gamma 1": {"gamma": 1.0},
    "gamma .75": {},
    "gamma .75 to .3": FALLING,
    "faithful": {"preset": "faithful"},
    "balanced": {"preset": "balanced"},
    "painterly": {"preset": "painterly"},
}


def frames(size: int):
    """IMAGE (F, size, size, 3) of the example time-lapse."""
    import torch
    from cellstyle.micrograph.load import Choices, load_micrograph

    path = EXAMPLES / "content_time_lapse.tif"
    loaded = load_micrograph(path, path.name, Choices(time="frames"))
    return torch.from_numpy(np.ascontiguousarray(loaded.images[:, :size, :size, :3]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--style", default="mural")
    parser.add_argument("--threads", type=int, default=4)
    arguments = parser.parse_args()
    bench = Bench()
    import torch
    from cellstyle.fidelity.flicker import flicker
    from cellstyle.node_parts.presets import SPEEDS
    from cellstyle.nodes.steady_frames import CellStyleSteadyFrames
    from cellstyle.nodes.transfer_frames import CellStyleTransferFrames
    from PIL import Image

    torch.set_num_threads(arguments.threads)
    source = frames(arguments.size)
    style = Image.open(EXAMPLES / f"style_{arguments.style}.png").convert("RGB").resize((256, 256))
    style = torch.from_numpy(np.asarray(style) / np.float32(255))[None]
    wired = {"model": bench.model, "conditioning": bench.conditioning, "vae": bench.vae}
    usual = {"gamma": 0.75, "tau": 1.5, "strength": 1.0, "start": "noise-preserving", **SPEEDS["fast"], "refinement": 0}
    usual |= {"gamma_curve": "constant", "gamma_end": 0.75, "storage": "auto", "frames_at_once": 4}

    def styled(way: dict | None):
        if way is None:
            return bench.vae.decode(bench.vae.encode(source))
        dials = {**usual, **way}
        if dials.pop("alone", False):
            return alone(dials["start"], dials["strength"])
        return CellStyleTransferFrames.execute(**wired, content=source, style=style, **dials).result[0]

    def alone(start: str, strength: float):
        import run_nodes

        shared, how = (bench.model, bench.conditioning), SPEEDS["fast"]
        inverted, query, _ = run_nodes.invert(*shared, {"samples": bench.vae.encode(source)}, **how)
        _, noise = run_nodes.capture(*shared, {"samples": bench.vae.encode(style)}, **how)
        begun = run_nodes.adain(inverted, noise, strength=strength, mode=start)
        return bench.vae.decode(run_nodes.sample(*shared, begun, None, query))

    print(f"{'':36}{'flicker':>8}{'after Steady Frames':>22}")
    with torch.inference_mode():
        for name, way in WAYS.items():
            result = styled(way).clamp(0, 1)
            steady = CellStyleSteadyFrames.execute(result, source, 0.8).result[0]
            found = [flicker(source.numpy(), each.numpy()) for each in (result, steady)]
            print(f"{name:36}{found[0]:8.2f}{found[1]:22.2f}", flush=True)


if __name__ == "__main__":
    main()
