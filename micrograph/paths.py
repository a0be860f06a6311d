"""File names from outside stay inside the folder they are meant for."""

from __future__ import annotations

import os

OUT = "leads out of ComfyUI's folders. Upload the file, or copy it to the input folder."


def path_inside(folder: str, name: str) -> str:
    """The real path of an existing file `name` under `folder`.

    Raises: ValueError for an empty, absolute or NUL-holding name, one with `..`, one whose links lead elsewhere, and
        for a file that isn't there.
    """
    if not name.strip() or "\0" in name:
        raise ValueError("file names no file. Choose one, or drop one on the node.")
    parts = name.replace("\\", "/").split("/")
    if os.path.isabs(name) or not parts[0] or ".." in parts or ":" in parts[0]:
        raise ValueError(f"file {name[:200]!r} {OUT}")
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, name))
    try:
        inside = os.path.commonpath((path, root)) == root
    except ValueError:  # another drive
        inside = False
    if not inside:
        raise ValueError(f"file {name[:200]!r} {OUT}")
    if not os.path.isfile(path):
        raise ValueError(f"file {name[:200]!r} is not in ComfyUI's input folder. Upload it, or choose another.")
    return path
