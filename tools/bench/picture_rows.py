"""Row "picture": how long one whole picture takes, from pixels to pixels, with the demo model."""

from __future__ import annotations

import itertools
import time

from bench_models import Subject
from bench_tables import table
from timing import wait_for_device

SIDES, QUICK = (256, 512, 1024), (64, 128)
FAST = {"steps": 11, "refinement": 0, "solver": "multistep", "spacing": "linspace", "layers": "auto", "storage": "auto"}
"""The presets' speed *fast*: 33 network calls."""


def rows(options) -> list[dict]:
    """Prints the table; returns [{side, content, style, sampled}] in seconds."""
    subject, found = Subject("demo"), []
    picture(subject, QUICK[0])  # what only a first run does

    def lines():
        for side in QUICK if options.quick else SIDES:
            took = picture(subject, side)
            found.append({"side": side, **took})
            whole = (sum(took.values()), took["content"] + took["sampled"], took["sampled"])
            yield [f"{side} x {side}", *(f"{seconds:.1f} s" for seconds in whole)]

    heads = ["picture", "first picture", "another picture, same style", "another gamma or tau"]
    table("How long does my picture take: the demo model, 11 steps, fast", heads, lines())
    return found


def picture(subject: Subject, side: int) -> dict[str, float]:
    """Seconds for content (encoded and inverted), style (encoded and captured) and the result (sampled and decoded)."""
    import torch
    from cellstyle.demo_model.load import load_demo_model
    from cellstyle.nodes.ddim_invert import DDIMInvert
    from cellstyle.nodes.injected_sampler import InjectedSampler
    from cellstyle.nodes.latent_adain import LatentAdaIN
    from cellstyle.nodes.style_kv_capture import StyleKVCapture
    from example_pictures import picture as example

    vae, shared = load_demo_model()[2], {"model": subject.model, "conditioning": subject.conditioning}
    marks = [time.perf_counter()]

    def latent(name: str) -> dict:
        pixels = torch.nn.functional.interpolate(example(name).movedim(-1, 1), (side, side), mode="bilinear")
        return {"samples": vae.encode(pixels.movedim(1, -1))}

    def mark() -> None:
        wait_for_device()
        marks.append(time.perf_counter())

    inverted, query, _ = DDIMInvert.execute(latent=latent("tissue"), **shared, **FAST).result
    mark()
    style_kv, noise = StyleKVCapture.execute(latent=latent("mural"), **shared, **FAST).result
    mark()
    start = LatentAdaIN.execute(inverted, noise, 1.0, "noise-preserving", 16).result[0]
    sampled = InjectedSampler.execute(
        latent=start, style_kv=style_kv, content_query=query, gamma=0.5, tau=1.5, **shared
    ).result[0]
    vae.decode(sampled["samples"])
    mark()
    seconds = [after - before for before, after in itertools.pairwise(marks)]
    return dict(zip(("content", "style", "sampled"), seconds, strict=True))
