"""The pictures of a run: found by patterns while it runs, never all in memory; each with its outputs and its shard."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import FleetError

EXTENSIONS = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".svs", ".png", ".jpg", ".jpeg")
"""What Load Micrograph reads; of a folder given without a pattern, these files are taken."""


@dataclass(frozen=True)
class Item:
    """One picture to make.

    name: path relative to the content's folder, with "/". outputs: branch -> file, of those that are not there yet.
    attempts: how often it has been begun. losses: how often it came back for another's fault. avoid: who failed last.
    """

    name: str
    path: str
    outputs: Mapping[str, str]
    attempts: int = 0
    losses: int = 0
    avoid: str = ""


def content_root(patterns: Sequence[str]) -> Path:
    """The folder that outputs keep their paths below: what comes before the first wildcard, of all patterns."""
    roots = [_fixed_part(pattern) for pattern in patterns]
    try:
        return Path(os.path.commonpath(roots))
    except ValueError:
        raise FleetError("The contents lie on different drives: give one --content a run.") from None


def listed(patterns: Sequence[str], out: Path, shard: tuple[int, int] = (0, 1)) -> Iterator[tuple[str, str]]:
    """(name, path) of every picture of this shard, as the folders give them; what lies under `out` is no content.

    A shard (i, n) has those whose name falls to it, whatever other files there are.
    Raises: FleetError for a folder or a file that is not there.
    """
    root, results = content_root(patterns), os.path.abspath(out)
    for pattern in patterns:
        for path in _found(pattern):
            absolute = os.path.abspath(path)
            if os.path.commonpath((absolute, results)) == results if _same_drive(absolute, results) else False:
                continue
            name = os.path.relpath(absolute, root).replace(os.sep, "/")
            if in_shard(name, shard):
                yield name, absolute


def items(
    patterns: Sequence[str], out: Path, branches: Iterable[str], shard: tuple[int, int] = (0, 1)
) -> Iterator[Item]:
    """Every picture of the shard with all its outputs, made or not."""
    branches = list(branches)
    for name, path in listed(patterns, out, shard):
        yield Item(name, path, {branch: str(output_of(out, branch, name)) for branch in branches})


def output_of(out: Path, branch: str, name: str) -> Path:
    """Where a result goes: OUT/BRANCH/path/name.tif.png; the extension stays, so that a.tif and a.png do not meet."""
    return Path(out, branch, f"{name}.png")


def missing(item: Item) -> Item | None:
    """The item with the outputs that are not there yet; None where all are."""
    left = {branch: path for branch, path in item.outputs.items() if not os.path.lexists(path)}
    return Item(item.name, item.path, left, item.attempts, item.losses, item.avoid) if left else None


def fraction_of(name: str) -> float:
    """A number from 0 to 1 that a name always gets: what decides shards and samples."""
    return (
        int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big") / 2**64
    )


def in_shard(name: str, shard: tuple[int, int]) -> bool:
    """Whether a name falls to shard (i, n)."""
    return shard[1] == 1 or int(fraction_of(name) * shard[1]) == shard[0]


def _fixed_part(pattern: str) -> str:
    if os.path.isdir(pattern):
        return os.path.abspath(pattern)
    if not glob.has_magic(pattern) or os.path.exists(pattern):
        return os.path.dirname(os.path.abspath(pattern))
    parts = Path(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return os.path.abspath(os.path.join(*parts[:fixed])) if fixed else os.getcwd()


def _found(pattern: str) -> Iterator[str]:
    if os.path.isdir(pattern):
        inside = glob.iglob(os.path.join(glob.escape(pattern), "**", "*"), recursive=True)
        yield from (path for path in inside if path.lower().endswith(EXTENSIONS) and os.path.isfile(path))
    elif os.path.exists(pattern):  # also a file whose name looks like a pattern
        yield pattern
    elif glob.has_magic(pattern):
        if not os.path.isdir(_fixed_part(pattern)):
            raise FleetError(f"There is no folder {_fixed_part(pattern)}, which --content {pattern} is to be found in.")
        yield from (path for path in glob.iglob(pattern, recursive=True) if os.path.isfile(path))
    else:
        raise FleetError(f"There is no file or folder {pattern}.")


def _same_drive(a: str, b: str) -> bool:
    return os.path.splitdrive(a)[0].lower() == os.path.splitdrive(b)[0].lower()
