#!/usr/bin/env python3
"""How flat a flat background stays by the sampling's start: the paper's AdaIN against what could stand in its place.

    .host/venv/bin/python tools/demo_model/evaluate_start.py [--size 256] [--steps 11] [--threads 4] [--only NAME ...]

A row each: local contrast in the flat parts against the content's there (start alone, then with the injection), and how
far the mean colour stays from the style's (RGB, 0..1). Flat parts: the 40 % of the content with the least contrast.
Draws docs/images/demo_model/starts.jpg: content, style, start alone: the paper's, noise-preserving, before inversion.
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
from evaluate_setup import contents as evaluated
from evaluate_style import FLAT_SHARE, contrast_map, flat_contrast

CONTENTS, STYLES = ("fluorescence", "lone_cells"), ("porcelain", "ink_wash", "impression")
SHOWN = [(c, s) for c in ("cell", "fluorescence") for s in ("porcelain", "impression")]
SHOWN_STARTS = ("paper (global)", "noise-preserving", "AdaIN before inversion")


def pictures(size: int) -> tuple[dict, dict]:
    """Contents and styles by name, (size, size, 3) float32 in 0..1; the cell is scikit-image's."""
    from contents import CONTENTS as DRAWN
    from styles import STYLES as LOOKS

    contents = {n: DRAWN[n](np.random.default_rng(7003), size, size).astype(np.float32) for n in CONTENTS}
    contents["cell"] = evaluated(size)["cell"]
    return contents, {n: LOOKS[n](np.random.default_rng(5), size, size).astype(np.float32) for n in STYLES}


def starts() -> dict[str, tuple[Callable, dict]]:
    """By name: the start of (content, style, flat) LATENTs, or a picture still to be inverted, and the finer dials of
    the sampling that go with it."""
    import run_nodes
    import torch
    from cellstyle.engine.inverted_latent import inversion_of
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

    def before(content, style, flat):
        clean = [{"samples": inversion_of(latent).clean} for latent in (content, style)]
        return run_nodes.adain(*clean, mode="before inversion")

    held = {"adain_rate": 0.4, "adain_end": 1.0}
    return {
        "paper (global)": (mode("global"), {}),
        "means alone": (means, {}),
        "masked statistics": (masked, {}),
        "per-step AdaIN alone": (lambda content, style, flat: content, held),
        "noise-preserving": (mode("noise-preserving"), {}),
        "noise-preserving, per-step AdaIN": (mode("noise-preserving"), held),
        "noise-preserving, flat_background": (mode("noise-preserving"), {"flat_background": 1.0}),
        "noise-preserving, both": (mode("noise-preserving"), {**held, "flat_background": 1.0}),
        "AdaIN before inversion": (before, {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=11)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--only", nargs="+", help="rows by their names; the picture needs its three")
    arguments = parser.parse_args()
    bench = Bench()
    import run_nodes
    import torch
    from cellstyle.engine.dials import StyleSettings
    from cellstyle.engine.inverted_latent import inversion_of
    from evaluate import sheet

    torch.set_num_threads(arguments.threads)
    contents, styles = pictures(arguments.size)
    how = {"steps": arguments.steps, "solver": "multistep", "spacing": "linspace"}
    shared = (bench.model, bench.conditioning)
    with torch.inference_mode():
        inverted = {n: run_nodes.invert(*shared, bench.encode(p), **how) for n, p in contents.items()}
        captured = {n: run_nodes.capture(*shared, bench.encode(p), **how) for n, p in styles.items()}
        print(f"{'':34}" + "".join(f"{c[:6]}/{s[:6]:8}" for c in contents for s in styles) + "  colour")
        shown = {pair: [contents[pair[0]], styles[pair[1]]] for pair in SHOWN}
        for name, (start_of, finer) in starts().items():
            if arguments.only and name not in arguments.only:
                continue
            rows, far = {"alone": [], "injected": []}, []
            for c, content in contents.items():
                contrast = contrast_map(content)
                flat = torch.from_numpy((contrast <= np.quantile(contrast, FLAT_SHARE)).astype(np.float32))[None, None]
                for s, style in styles.items():
                    start, query = start_of(inverted[c][0], captured[s][1], flat), inverted[c][1]
                    if inversion_of(start) is None:  # a picture, still to be inverted
                        start, query, _ = run_nodes.invert(*shared, start, **how)
                    dials = {"settings": StyleSettings(**finer)}
                    alone = {"start_percent": 1.0, "gamma": 0.0, **dials} if finer else dials
                    features = captured[s][0]
                    drawn = run_nodes.sample(*shared, start, features if finer else None, query, **alone)
                    recoloured = bench.decode(drawn)
                    if name in SHOWN_STARTS and (c, s) in shown:
                        shown[c, s].append(recoloured)
                    rows["alone"].append(flat_contrast(content, recoloured))
                    picture = bench.decode(run_nodes.sample(*shared, start, features, query, **dials))
                    rows["injected"].append(flat_contrast(content, picture))
                    far.append(np.linalg.norm(picture.mean((0, 1)) - style.mean((0, 1))))
            for which, figures in rows.items():
                tail = f"  {np.mean(far):.3f}" if which == "injected" else ""
                print(f"{name + ', ' + which:42}" + "".join(f"{x:<15.2f}" for x in figures) + tail, flush=True)
    if not arguments.only or set(SHOWN_STARTS) <= set(arguments.only):
        sheet(list(shown.values()), "starts", 128)


if __name__ == "__main__":
    main()
