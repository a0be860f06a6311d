"""The folder of style files, as ComfyUI knows it: models/cellstyle, and what extra_model_paths.yaml adds."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import folder_paths

from ..micrograph.paths import path_inside
from ..style_file.drafts import remove_abandoned
from ..style_file.names import EXTENSION, path_to_read

FOLDER = "cellstyle"
NO_STYLE = "no style saved yet"  # what the list shows instead of nothing
UPLOADED = " [input]"
"""ComfyUI's own mark for a file of its input folder: a client that may only upload can bring its style this way."""


def style_folders() -> list[str]:
    """Folders that hold styles; the first is the one to write to. Registered with ComfyUI on first use.

    A folder that extra_model_paths.yaml gives comes before models/cellstyle.
    """
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))
    folders = folder_paths.get_folder_paths(FOLDER)
    _tidy(folders[0])
    return folders


@functools.cache
def _tidy(folder: str) -> None:
    """Once a server: removes what an earlier, killed one had begun to write."""
    for inner, _, _ in os.walk(folder):
        remove_abandoned(inner)


def style_names() -> list[str]:
    """All style files, with their subfolders."""
    style_folders()
    names = folder_paths.get_filename_list(FOLDER)
    return sorted(name.replace("\\", "/") for name in names if name.lower().endswith(EXTENSION))


def style_path(name: str) -> Path:
    """The file that Load Style reads for a name: of the folders of styles, or with ` [input]` of the input folder.

    Raises:
        ValueError: a name that leads out of these folders, directly or (in the input folder) by a link; another kind
            of file; no such file.
    """
    if not isinstance(name, str) or not name.endswith(UPLOADED):
        return path_to_read(style_folders(), name)
    plain = name.removesuffix(UPLOADED)
    if not plain.lower().endswith(EXTENSION):
        raise ValueError(f"file {name[:80]!r} does not name a style file ({EXTENSION}) in ComfyUI's input folder.")
    return Path(path_inside(folder_paths.get_input_directory(), plain))
