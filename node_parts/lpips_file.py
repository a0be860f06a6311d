"""Where LPIPS's weights lie, as ComfyUI knows it: models/lpips, and what extra_model_paths.yaml adds."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

FOLDER = "lpips"
FILES = {"alex": "lpips_alex.safetensors", "vgg": "lpips_vgg.safetensors"}
"""By network; the first that is there is taken where none is named."""

WHERE_INSTALLED, OFF = "where installed", "off"
CHOICES = (WHERE_INSTALLED, OFF, *FILES)


def lpips_file(choice: str) -> tuple[str, Path] | None:
    """The network and its file for one of `CHOICES`; None where it is off, or not installed and not asked for.

    Raises:
        ValueError: a network by name whose file is not there.
    """
    if choice == OFF:
        return None
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))
    for network in FILES if choice == WHERE_INSTALLED else (choice,):
        path = folder_paths.get_full_path(FOLDER, FILES[network])
        if path is not None:
            return network, Path(path)
    if choice == WHERE_INSTALLED:
        return None
    raise ValueError(
        f"lpips is {choice}, and there is no {FILES[choice]} in models/lpips. The help of Cell Style Fidelity says how "
        f"to make it; or set lpips to {OFF}."
    )


def fingerprint(choice: str) -> str:
    """Changes where another file is taken, so that a picture is measured again after the weights were installed."""
    try:
        found = lpips_file(choice)
        facts = None if found is None else os.stat(found[1])
    except (OSError, ValueError):
        return "missing"
    return "none" if facts is None else f"{found[0]}:{facts.st_mtime_ns}:{facts.st_size}"
