"""What a server holds while it runs prompt after prompt, and whether that grows."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import psutil
from comfy_server import ComfyServer
from scipy.stats import theilslopes
from test_server import PLAIN

# One client's connection more or less, a pool's thread that starts late; what is lost with every prompt is far more.
SPARE = 2
# ComfyUI's default cache keeps every result while there is memory; this one keeps the last prompt's alone, so that
# what else is alive was left behind.
CACHE = ["--cache-classic"]


@dataclass(frozen=True)
class Sample:
    """The server after `prompts` prompts, the last of which is always the same: memory in kB, counts of the rest."""

    prompts: int
    memory: float
    threads: int
    files: int
    alive: dict[str, int]


def sample(server: ComfyServer, prompts: int) -> Sample:
    """Run a plain prompt, so that the cache holds the same each time, and look."""
    client = server.client
    client.run(PLAIN)
    client.json("/history", {"clear": True})  # ComfyUI's list of the last 10,000 prompts
    alive = client.json("/cellstyle_test/alive")
    process = psutil.Process(server.process.pid)
    files = process.num_fds() if psutil.POSIX else process.num_handles()
    return Sample(prompts, process.memory_info().rss / 1024, process.num_threads(), files, alive)


def slope(samples: list[Sample]) -> float:
    """kB of memory that a prompt costs for good: the median slope between any two of the samples."""
    return float(theilslopes([s.memory for s in samples], [s.prompts for s in samples]).slope)


def what_is_left_behind(samples: list[Sample]) -> list[str]:
    """A sentence for each thing that grew from the first sample to the last; the memory is not judged."""
    first, last = samples[0], samples[-1]
    grown = [
        f"{kind}: {count} after {first.prompts} prompts, {last.alive[kind]} after {last.prompts}"
        for kind, count in first.alive.items()
        if last.alive[kind] > count
    ]
    half = len(samples) // 2
    for kind in ("threads", "files"):
        before, after = (max(getattr(s, kind) for s in part) for part in (samples[:half], samples[half:]))
        if after > before + SPARE:
            grown.append(f"{kind}: up to {before} in the first half, {after} in the second")
    return grown


def memory_grows(samples: list[Sample], kilobytes: float) -> list[str]:
    """A sentence when the memory grows by more than `kilobytes` a prompt after the first third, the warm-up.

    Two measures must agree that it does not: the slope, and the median of the last third against the middle third's.
    """
    third = len(samples) // 3
    middle, end = samples[third : 2 * third], samples[2 * third :]
    apart = median(s.prompts for s in end) - median(s.prompts for s in middle)
    rise = (median(s.memory for s in end) - median(s.memory for s in middle)) / apart
    fitted = slope(samples[third:])
    if max(rise, fitted) <= kilobytes:
        return []
    return [f"memory: {fitted:.0f} kB a prompt by the slope, {rise:.0f} by the thirds; {kilobytes:.0f} may be noise"]
