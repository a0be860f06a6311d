"""Where a micrograph comes from: ComfyUI's folders, or the pictures that come with the pack."""

from __future__ import annotations

import os

import folder_paths

from ..micrograph.folder import names_in
from ..micrograph.paths import OUT, path_inside
from .example_pictures import example_micrographs, example_path

EXTENSIONS = (
    ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".lsm", ".stk", ".gel", ".zif", ".svs", ".ndpi", ".scn", ".bif", ".qptiff",
    ".png", ".jpg", ".jpeg", ".jfif", ".jpe",
    ".czi", ".lif", ".oib", ".oif", ".mrc", ".mrcs", ".map", ".rec", ".st", ".ali", ".dm3", ".dm4", ".dcm", ".dicom",
)  # fmt: skip
"""Ends of the names that are listed, and offered for upload (web/js/upload_micrographs.js has the same); which
format a file has is told by its content."""
NO_EXAMPLE = "none"


def micrograph_names() -> list[str]:
    """The files of ComfyUI's input folder that Load Micrograph can read."""
    folder = folder_paths.get_input_directory()
    if not os.path.isdir(folder):
        return []
    return sorted(n for n in os.listdir(folder) if n.lower().endswith(EXTENSIONS) and os.path.isfile(f"{folder}/{n}"))


def micrograph_path(file: str | None, example: str = NO_EXAMPLE) -> str:
    """The path of a name in ComfyUI's input, output or temp folder (`name [output]`); of the example when it is empty.

    Raises: ValueError for anything that leads out of these folders, and for what isn't there.
    """
    if not file and example != NO_EXAMPLE:
        return str(example_path(example, example_micrographs()))
    name, folder = folder_paths.annotated_filepath(str(file or ""))
    path = path_inside(folder or folder_paths.get_input_directory(), name)
    if os.path.realpath(folder_paths.get_annotated_filepath(str(file))) != path:
        raise ValueError(f"file {name[:200]!r} {OUT}")
    return path


def micrograph_folder(text: str) -> list[tuple[str, str]]:
    """(name within the input folder, path) of the micrographs of a folder of it, or of a pattern ("plate 1/*.tif").

    Raises: ValueError for anything that leads out of the input folder, and where nothing is found.
    """
    root = folder_paths.get_input_directory()
    names = names_in(root, text, EXTENSIONS)
    return [(name, path_inside(root, name)) for name in names]
