#!/usr/bin/env python3
"""How flat a flat background stays by the sampling's start: the paper's AdaIN against what could stand in its place.

    .host/venv/bin/python tools/demo_model/evaluate_start.py [--size 256] [--steps 11]

A row each: local contrast in the flat parts against the content's there (start alone, then with the injection), and how
far the mean colour stays from the style's (RGB, 0..1). Flat parts: the 40 % of the content with the least contrast.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from evaluate_setup import Bench
from evaluate_style import FLAT_SHARE, contrast_map, flat_contrast

CONTENTS, STYLES = ("fluorescence", "lone_cells"), ("porcelain", "ink_wash", "impression")


def pictures(size: int) -> tuple[dict, dict]:
    """Contents and styles by name, (size, size, 3) float32 in 0..1."""
    from contents import CONTENTS as DRAWN
    from styles import STYLES as LOOKS

    contents = {n: DRAWN[n](np.random.default_rng(7003), size, size).astype(np.float32) for n in CONTENTS}
    return contents, {n: LOOKS[n](np.random.default_rng(5), size, size).astype(np.float32) for n in STYLES}


def starts() -> dict[str, tuple[Callable, dict]]:
    """By name: the start of (content, style, flat) LATENTs, and the finer dials of the sampling that go with it."""
    import run_nodes
    import torch
    from cellstyle.equations.adain import spatial_mean, spatial_std

    def masked(content, style, flat):
        """AdaIN with the content's statistics taken where it is not flat."""
        x, y = content["samples"], style["samples"]
        shown = torch.nn.functional.interpolate(1 - flat, x.shape[-2:], mode="area")
        mean = spatial_mean(x * shown) / spatial_mean(shown)
        std = (spatial_mean((x - mean).square() * shown) / spatial_mean(shown)).sqrt()
        return {**content, "samples": (x - mean) / std * spatial_std(y) + spatial_mean(y)}

    def means(content, style, flat):
        x, y = content["samples"], style["samples"]
        return {**content, "samples": x - spatial_mean(x) + spatial_mean(y)}

    def mode(name):
        return lambda content, style, flat: run_nodes.adain(content, style, mode=name)

    held = {"adain_rate": 0.4, "adain_end": 1.0}
    return {
        "paper (global)": (mode("global"), {}),
        "means alone": (means, {}),
        "masked statistics": (masked, {}),
        "per-step AdaIN alone": (lambda content, style, flat: content, held),
        "noise-preserving": (mode("noise-preserving"), {}),
        "noise-preserving, per-step AdaIN": (mode("noise-preserving"), held),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=11)
    arguments = parser.parse_args()
    bench = Bench()
    import run_nodes
    import torch
    from cellstyle.engine.dials import StyleSettings

    contents, styles = pictures(arguments.size)
    how = {"steps": arguments.steps, "solver": "multistep", "spacing": "linspace"}
    shared = (bench.model, bench.conditioning)
    with torch.inference_mode():
        inverted = {n: run_nodes.invert(*shared, bench.encode(p), **how) for n, p in contents.items()}
        captured = {n: run_nodes.capture(*shared, bench.encode(p), **how) for n, p in styles.items()}
        print(f"{'':34}" + "".join(f"{c[:6]}/{s[:6]:8}" for c in contents for s in styles) + "  colour")
        for name, (start_of, finer) in starts().items():
            rows, far = {"alone": [], "injected": []}, []
            for c, content in contents.items():
                contrast = contrast_map(content)
                flat = torch.from_numpy((contrast <= np.quantile(contrast, FLAT_SHARE)).astype(np.float32))[None, None]
                for s, style in styles.items():
                    start = start_of(inverted[c][0], captured[s][1], flat)
                    dials = {"settings": StyleSettings(**finer)}
                    alone = {"start_percent": 1.0, "gamma": 0.0, **dials} if finer else dials
                    features = captured[s][0]
                    drawn = run_nodes.sample(*shared, start, features if finer else None, inverted[c][1], **alone)
                    rows["alone"].append(flat_contrast(content, bench.decode(drawn)))
                    picture = bench.decode(run_nodes.sample(*shared, start, features, inverted[c][1], **dials))
                    rows["injected"].append(flat_contrast(content, picture))
                    far.append(np.linalg.norm(picture.mean((0, 1)) - style.mean((0, 1))))
            for which, figures in rows.items():
                tail = f"  {np.mean(far):.3f}" if which == "injected" else ""
                print(f"{name + ', ' + which:42}" + "".join(f"{x:<15.2f}" for x in figures) + tail, flush=True)


if __name__ == "__main__":
    main()
