"""Files that are being written: never listed as styles, and removed by the next writer if theirs was killed."""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where a file that somebody has open cannot be deleted anyway
    fcntl = None

_NAME = re.compile(r"\.cellstyle-[0-9a-f]{32}\.tmp")
_MOMENT = 60.0
"""Seconds that a draft is left alone where there are no locks: its writer closes it before it is moved."""


@contextlib.contextmanager
def draft_in(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """An empty file beside its place, open for writing, and gone afterwards; drafts that nobody writes any more go too.

    The name is no style file's. The file is locked, so that no other process takes it for a dead writer's.
    Raises: OSError from the disk.
    """
    remove_abandoned(folder)
    path, file = _locked(folder)
    try:
        with file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def remove_abandoned(folder: str | Path) -> None:
    """Deletes the drafts in a folder whose writers have ended without their clean-up (killed, or power lost)."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _remove_unless_locked(entry.path)


def _locked(folder: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = folder / f".cellstyle-{uuid.uuid4().hex}.tmp"
        file = open(path, "xb")  # noqa: SIM115  the caller closes it
        if fcntl is None:
            return path, file
        with contextlib.suppress(OSError):  # a file system without locks, where nobody else gets one either
            fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():  # else somebody found it before it was locked
            return path, file
        file.close()


def _remove_unless_locked(path: str) -> None:
    if fcntl is None:
        if time.time() - os.stat(path).st_mtime > _MOMENT:
            os.unlink(path)
        return
    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
