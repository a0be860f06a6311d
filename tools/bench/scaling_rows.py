"""Row e: time and memory against image size, steps and batch, with a fitted exponent beside the plain sampler's."""

from __future__ import annotations

import math

from bench_models import Subject
from bench_tables import subjects, table
from timing import interleaved, ratio


def rows(options) -> list[dict]:
    """Prints both tables; returns [{axis, values, ours, plain, kept, exponents}, ..., {model, pixels, ratio}, ...]."""
    return exponents(options) + shared_pass(options)


def shared_pass(options) -> list[dict]:
    """What recompute could gain by putting content and style into the sampler's own batch."""
    import torch

    found, sigmas = [], torch.tensor([1.0, 0.0])

    def lines():
        for subject, pixels, repeats in subjects(options):
            latents = {batch: subject.latent(pixels, batch) for batch in (1, 2, 3)}
            variants = {
                "three": lambda subject=subject, latents=latents: subject.plain(latents[3], sigmas),
                "one, two": lambda subject=subject, latents=latents: [
                    subject.plain(latents[n], sigmas) for n in (1, 2)
                ],
            }
            model = f"{subject.kind} {subject.precision}"
            found.append(
                {"model": model, "pixels": pixels, "ratio": ratio(interleaved(variants, repeats), "three", "one, two")}
            )
            yield [f"{model}, {pixels} px", f"{found[-1]['ratio']:.3f}"]

    table("e. A network call of batch 3 / one of batch 1 and one of batch 2", ["model", "ratio"], lines())
    return found


def exponents(options) -> list[dict]:
    """Powers of size, steps and batch."""
    import run_nodes

    subject = Subject("tiny")
    sizes, steps, batches = (
        ((128, 256), (2, 4), (1, 2)) if options.quick else ((256, 512, 768, 1024), (5, 10, 20), (1, 2, 4))
    )
    repeats = 1 if options.quick else 3
    found = []
    for axis, values, setting in (
        ("pixels", [side**2 for side in sizes], [(side, 2, 1) for side in sizes]),
        ("steps", list(steps), [(256, count, 1) for count in steps]),
        ("batch", list(batches), [(256, 4, batch) for batch in batches]),
    ):
        ours, plain, kept = [], [], []
        for side, count, batch in setting:
            content, style = subject.latent(side, batch, 1), subject.latent(side, batch, 2)
            sigmas = subject.invert(content, count, "ram")[2]
            banks = []

            def whole(content=content, style=style, count=count, banks=banks):
                inverted, query, _ = subject.invert(content, count, "ram")
                style_kv, noise = subject.capture(style, count, "ram")
                banks[:] = [query.bank, style_kv.bank]
                return subject.sample(run_nodes.adain(inverted, noise), style_kv, query)

            variants = {"ours": whole, "plain": lambda content=content, sigmas=sigmas: subject.plain(content, sigmas)}
            seconds = interleaved(variants, repeats)
            ours.append(min(seconds["ours"]))
            plain.append(min(seconds["plain"]))
            kept.append(sum(bank.nbytes() for bank in banks))
        measured = {"ours": ours, "plain": plain, "kept": kept}
        slopes = {f"{name}_exponent": exponent(values, y) for name, y in measured.items()}
        found.append({"axis": axis, "values": values, **measured, **slopes})
    table(
        "e. Scaling: time ~ size ^ exponent (tiny model)",
        ["axis", "from", "to", "transfer's exponent", "plain sampler's", "kept memory's"],
        [
            [
                f["axis"],
                f["values"][0],
                f["values"][-1],
                *(f"{f[f'{n}_exponent']:.2f}" for n in ("ours", "plain", "kept")),
            ]
            for f in found
        ],
    )
    return found


def exponent(x: list[float], y: list[float]) -> float:
    """Slope of log y over log x by least squares."""
    u, v = [math.log(value) for value in x], [math.log(value) for value in y]
    mean_u, mean_v = sum(u) / len(u), sum(v) / len(v)
    return sum((a - mean_u) * (b - mean_v) for a, b in zip(u, v, strict=True)) / sum((a - mean_u) ** 2 for a in u)
