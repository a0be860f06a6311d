"""Names of style files: what a person may type, and the place on disk it stands for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

EXTENSION = ".safetensors"
LONGEST_NAME, LONGEST_PART, DEEPEST = 200, 100, 8
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_ADVICE = "Use letters, digits, spaces, - and _, and / for a subfolder, such as ink/mountains."


def checked_name(name: str) -> str:
    """A name that is safe to join to a folder: parts joined by "/", with the extension.

    Args:
        name: what a person typed; the extension may be left out, backslashes count as "/".
    Raises:
        ValueError: empty, too long or too deep; absolute, with a drive or with ".."; a part that is hidden, ends in a
            dot or a space, holds a character that some system does not allow, or is a device of Windows.
    """
    text = name.replace("\\", "/").strip() if isinstance(name, str) else ""
    if text.lower().endswith(EXTENSION):
        text = text[: -len(EXTENSION)]
    if not text:
        raise ValueError(f"the name of the style file is empty. {_ADVICE}")
    parts = text.split("/")
    if len(text) > LONGEST_NAME or len(parts) > DEEPEST or any(_bytes(part) > LONGEST_PART for part in parts):
        raise ValueError(
            f"the name of the style file is too long or too deep ({len(text)} characters, {len(parts)} parts); at most "
            f"{LONGEST_NAME} characters, {DEEPEST} parts and {LONGEST_PART} bytes a part. {_ADVICE}"
        )
    for part in parts:
        bad = part in ("", ".", "..") or part.startswith(".") or part != part.strip() or part.endswith(".")
        if bad or _FORBIDDEN.search(part) or _RESERVED.fullmatch(part) or not part.isprintable():
            raise ValueError(f"{name[:80]!r} is not a name for a style file inside its folder. {_ADVICE}")
    return "/".join(parts) + EXTENSION


def paths_to_write(folder: str | Path, name: str) -> Iterator[Path]:
    """Where a style of that name may be written: the name itself, then with _2, _3, ... Makes subfolders.

    Args:
        name: as for `checked_name`.
    Raises:
        ValueError: see `checked_name`; a subfolder that leads out of the folder by a link, or is a file.
    """
    root, name = Path(folder), checked_name(name)
    target = root / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"the name {name!r} needs a folder where there is a file. Choose another name.") from None
    real_root = os.path.realpath(root)
    if os.path.commonpath((os.path.realpath(target.parent), real_root)) != real_root:
        raise ValueError(f"the name {name!r} leads out of the folder of styles by a link. Choose another subfolder.")
    yield target
    for number in count(2):
        yield target.with_name(f"{target.stem}_{number}{EXTENSION}")


def path_to_read(folders: list[str], name: str) -> Path:
    """The file of that name in the first folder that has it; files that a person put there may have any file name.

    Raises:
        ValueError: a name that leads out of the folders, or no such file.
    """
    text = name.replace("\\", "/") if isinstance(name, str) else ""
    parts = text.split("/")
    if (
        not text.lower().endswith(EXTENSION)
        or len(text) > 4096
        or "\0" in text
        or any(part in ("", ".", "..") for part in parts)
        or ":" in parts[0]
    ):
        raise ValueError(
            f"file {str(name)[:80]!r} does not name a style file ({EXTENSION}) inside the folder of styles."
        )
    for folder in folders:
        path = Path(folder, *parts)
        if path.is_file():
            return path
    raise ValueError(
        f"file {name[:80]!r} is not in {' or '.join(map(str, folders))}. Choose another, or save one with Save Style."
    )


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
