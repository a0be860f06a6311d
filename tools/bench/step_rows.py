"""Rows a and b: one sampling step with injection, one inversion step with capture, beside the same step without."""

from __future__ import annotations

from bench_tables import subjects, table
from timing import interleaved, ratio, spread

STEPS = 2
STORED = (("device", "full"), ("ram", "full"), ("ram", "fp8"), ("recompute", "full"))


def rows(options) -> list[dict]:
    """Prints both tables; returns [{row, model, pixels, storage, ratio, seconds, spread}]."""
    found = []
    for measure, title in (
        (injection, "a. A sampling step with injection / ComfyUI's own euler step"),
        (capture, "b. An inversion step with capture / without"),
    ):

        def lines(measure=measure):
            for subject, pixels, repeats in subjects(options):
                for each in measure(subject, pixels, repeats):
                    found.append(each)
                    yield [
                        f"{each['model']}, {each['pixels']} px",
                        each["storage"],
                        f"{each['ratio']:.3f}",
                        f"{each['seconds']:.3f} s",
                        f"± {100 * each['spread']:.0f} %",
                    ]

        table(title, ["model", "storage", "ratio", "plain step", "plain's spread"], lines())
    return found


def injection(subject, pixels: int, repeats: int) -> list[dict]:
    """One line a storage mode."""
    content, style = subject.latent(pixels, seed=1), subject.latent(pixels, seed=2)
    captured, variants = {}, {}
    for storage, precision in STORED:
        inverted, query, sigmas = subject.invert(content, STEPS, storage, precision)
        style_kv, _ = subject.capture(style, STEPS, storage, precision)
        captured[_name(storage, precision)] = inverted, style_kv, query
    variants["plain"] = lambda: subject.plain(inverted, sigmas)
    for name, wires in captured.items():
        variants[name] = lambda wires=wires: subject.sample(*wires)
    return _lines("injection", subject, pixels, interleaved(variants, repeats))


def capture(subject, pixels: int, repeats: int) -> list[dict]:
    """One line a storage mode; "without" is the same inversion in recompute mode, which keeps its latents alone."""
    latent = subject.latent(pixels, seed=1)
    variants = {"plain": lambda: subject.invert(latent, STEPS, "recompute")}
    for storage, precision in STORED[:-1]:
        variants[_name(storage, precision)] = lambda s=storage, p=precision: subject.invert(latent, STEPS, s, p)
    return _lines("capture", subject, pixels, interleaved(variants, repeats))


def _name(storage: str, precision: str) -> str:
    return storage if precision == "full" else f"{storage}, {precision}"


def _lines(row: str, subject, pixels: int, seconds: dict) -> list[dict]:
    base = sorted(seconds["plain"])[len(seconds["plain"]) // 2] / STEPS
    return [
        {
            "row": row,
            "model": f"{subject.kind} {subject.precision}",
            "pixels": pixels,
            "storage": name,
            "ratio": ratio(seconds, name, "plain"),
            "seconds": base,
            "spread": spread(seconds["plain"]),
        }
        for name in seconds
        if name != "plain"
    ]
