"""Row f: what the network calls of an inversion buy, and whether few of them show in the picture."""

from __future__ import annotations

import math
import time

from bench_tables import table
from example_pictures import SIDE, picture
from inversion_setting import FAST, Setting, psnr

CONTENTS = ("photograph", "tem_chloroplast", "golgi")


ROUND_TRIPS = (
    *(Setting("ddim", steps) for steps in (10, 12, 20, 50)),
    Setting("ddim", 10, 1),
    *(Setting("multistep", steps) for steps in (8, 12, 20)),
    Setting("multistep", 10, 1),
    FAST,
)


def rows(options) -> list[dict]:
    """Prints the tables of the round trips; returns [{what, ...}]."""
    return [each for name in (["tiny"] if options.quick else ["tiny", "demo"]) for each in round_trips(name)]


def round_trips(name: str) -> list[dict]:
    """Inversion, then plain sampling: how far it comes back from where it started."""
    import run_nodes

    model, conditioning, vae, start = _subject(name)
    found = []
    for setting in ROUND_TRIPS:
        begun = time.perf_counter()
        inverted, query, _ = run_nodes.invert(model, conditioning, start, **setting.inputs)
        back = run_nodes.sample(model, conditioning, inverted, None, query)
        away = (back - start["samples"]).flatten(1).norm(dim=1) / start["samples"].flatten(1).norm(dim=1)
        entry = {
            "what": "round trip",
            "model": name,
            "setting": str(setting),
            "calls": setting.calls,
            "error": float(away.square().mean().sqrt()),
            "seconds": time.perf_counter() - begun,
        }
        if vae is not None:
            pairs = zip(vae.decode(back), vae.decode(start["samples"]), strict=True)
            entry["psnr"] = [psnr(*pair) for pair in pairs]
        found.append(entry)
    title = f"f. Round-trip error against network calls of the inversion, {name} model, {SIDE} px"
    heads = ["inversion", "calls", "relative error", "dB"]
    lines = [[f["setting"], f["calls"], f"{f['error']:.2e}", f"{-20 * math.log10(f['error']):.1f}"] for f in found]
    if vae is not None:
        heads += [f"PSNR, {content}" for content in CONTENTS]
        lines = [
            [*line, *(f"{value:.1f}" for value in entry["psnr"])] for line, entry in zip(lines, found, strict=True)
        ]
    table(title, heads, lines)
    return found


def _subject(name: str) -> tuple:
    """(MODEL, CONDITIONING, VAE or None, LATENT of several pictures)"""
    import run_nodes
    import torch

    if name == "tiny":
        from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

        # a random network bends more over the levels than a trained one: it predicts little here
        return tiny_model(output_gain=0.05), tiny_conditioning(), None, run_nodes.latent(2, 4, SIDE // 8, SIDE // 8)
    from cellstyle.demo_model.load import load_demo_model

    model, conditioning, vae = load_demo_model()
    return model, conditioning, vae, {"samples": vae.encode(torch.cat([picture(name) for name in CONTENTS]))}
