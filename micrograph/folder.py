"""The files of a folder, or of a pattern, in the order in which people count."""

from __future__ import annotations

import fnmatch
import os
import re

from .paths import OUT

MOST_FILES = 100_000


def natural(name: str) -> list:
    """A key that sorts 2 before 10, without regard to case."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name.lower()) if part
    ]


def names_in(root: str, text: str, extensions: tuple[str, ...]) -> list[str]:
    """Names relative to `root`, in natural order, of files that end in one of `extensions`.

    Args:
        text: a folder under root ("" is root itself), whose own files are meant, or a pattern of folders and names with
            *, ? and [...] in any of its parts ("plate 1/*_dapi.tif", "*/*.tif").
    Raises: ValueError for an absolute or NUL-holding text, one with `..`, a folder that cannot be read, and where no
        file is found. Links that lead out of root are left out.
    """
    parts = [part for part in text.strip().replace("\\", "/").split("/") if part not in ("", ".")]
    if "\0" in text or ".." in parts or os.path.isabs(text.strip()) or ":" in "".join(parts[:1]):
        raise ValueError(f"folder {text[:200]!r} {OUT}")
    whole = os.path.realpath(root)
    if os.path.isdir(os.path.join(whole, *parts)):
        parts.append("*")
    found = [""]
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        try:
            found = [name for folder in found for name in _matches(whole, folder, part, last)][:MOST_FILES]
        except OSError as error:
            raise ValueError(f"folder {text[:200]!r} cannot be read: {error.strerror}. Choose another.") from None
    names = sorted((name for name in found if name.lower().endswith(extensions)), key=natural)
    if not names:
        raise ValueError(f"folder {text[:200]!r} of ComfyUI's input folder holds no micrograph. Copy files into it.")
    return names


def _matches(whole: str, folder: str, pattern: str, files: bool) -> list[str]:
    """What a part of the pattern names in a folder: files for the last part, folders before; nothing outside."""
    made = []
    for entry in os.scandir(os.path.join(whole, folder)):
        if entry.name.startswith(".") or not fnmatch.fnmatchcase(entry.name.lower(), pattern.lower()):
            continue
        path = os.path.realpath(entry.path)
        if os.path.commonpath((path, whole)) == whole and (os.path.isfile(path) if files else os.path.isdir(path)):
            made.append(f"{folder}/{entry.name}" if folder else entry.name)
    return made
