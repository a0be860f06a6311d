"""Training pictures: drawn by the generator, cached as uint8 shards under .training, each shard from its own seed.

python tools/demo_model/dataset.py --shards 60            # 60 x 48 pictures; what is there already is kept
python tools/demo_model/dataset.py --held-out --shards 4  # other seeds, for the evaluation only
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from train_paths import WORK

SIZE = 256
PER_SHARD = 48
HELD_OUT_SEED = 900_000
BUNDLED_SHARE = 0.15

Draw = Callable[[np.random.Generator, int, int], np.ndarray]


def families() -> dict[str, dict[str, Draw]]:
    """{"contents": ..., "styles": ..., "bundled": ...}: name -> f(rng, h, w) -> (h, w, 3) float32 in 0..1."""
    from bundled import BUNDLED
    from contents import CONTENTS
    from styles import STYLES

    return {"contents": dict(CONTENTS), "styles": dict(STYLES), "bundled": dict(BUNDLED)}


def folder(held_out: bool) -> Path:
    return WORK / ("held_out" if held_out else "pictures")


def draw_shard(index: int, held_out: bool = False) -> Path:
    """One shard: pictures (48, 256, 256, 3) uint8 and their family names (48,), written whole or not at all."""
    path = folder(held_out) / f"{index:04d}.npz"
    if path.exists():
        return path
    groups = families()
    drawn = [*groups["contents"], *groups["contents"], *groups["styles"]]
    functions = {**groups["contents"], **groups["styles"], **groups["bundled"]}
    rng = np.random.default_rng((HELD_OUT_SEED if held_out else 0) + index)
    order = rng.permutation(len(drawn))
    pictures, names = [], []
    for i in range(PER_SHARD):
        bundled = not held_out and rng.random() < BUNDLED_SHARE
        name = rng.choice(list(groups["bundled"])) if bundled else drawn[order[i % len(drawn)]]
        picture = functions[name](rng, SIZE, SIZE)
        picture = np.rot90(picture, rng.integers(4)) if name not in groups["styles"] else picture
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        pictures.append((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
        names.append(str(name))
    partial = path.with_suffix(f".{os.getpid()}.part")
    with open(partial, "wb") as file:
        np.savez(file, pictures=np.stack(pictures), names=np.array(names))
    partial.replace(path)
    return path


def load(held_out: bool = False, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 256, 256, 3) uint8 and names (N,) of every shard that is there."""
    paths = sorted(folder(held_out).glob("*.npz"))[:limit]
    if not paths:
        raise SystemExit(f"no pictures in {folder(held_out)}: run tools/demo_model/dataset.py first")
    shards = [dict(np.load(path)) for path in paths]
    return np.concatenate([s["pictures"] for s in shards]), np.concatenate([s["names"] for s in shards])


def _job(job: tuple[int, bool]) -> tuple[int, float]:
    start = time.monotonic()
    draw_shard(*job)
    return job[0], time.monotonic() - start


def draw(shards: int, held_out: bool, processes: int, first: int = 0) -> Iterator[tuple[int, float]]:
    """(shard, seconds) as each is done."""
    folder(held_out).mkdir(parents=True, exist_ok=True)
    jobs = [(index, held_out) for index in range(first, first + shards)]
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(_job, jobs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=60)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--held-out", action="store_true")
    options = parser.parse_args()
    start = time.monotonic()
    done = draw(options.shards, options.held_out, options.processes, options.first)
    for count, (index, seconds) in enumerate(done, 1):
        left = (time.monotonic() - start) / count * (options.shards - count) / 60
        print(f"shard {index} ({count}/{options.shards}) {seconds:.1f} s, {left:.1f} min left", flush=True)


if __name__ == "__main__":
    sys.exit(main())
