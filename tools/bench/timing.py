"""Interleaved timings and their ratios: other work on the machine then slows all variants alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def interleaved(variants: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every variant, `repeats` times in turn, after one run of each that does not count."""
    for work in variants.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for i in range(repeats):
        names = list(variants)
        for name in names if i % 2 else reversed(names):
            start = time.perf_counter()
            variants[name]()
            wait_for_device()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def wait_for_device() -> None:
    """Until the accelerator, where there is one, has done what it was given."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ratio(seconds: dict[str, list[float]], name: str, base: str, factor: float = 1.0) -> float:
    """Median over the repeats of `name` / (factor * `base`), each with the base's time of the same round."""
    pairs = zip(seconds[name], seconds[base], strict=True)
    return statistics.median(a / (factor * b) for a, b in pairs)


def spread(seconds: list[float]) -> float:
    """Half the range between the quartiles over the median: how much a machine wandered."""
    low, middle, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else (seconds * 3)
    return (high - low) / 2 / middle
