"""The pictures that come with the pack: their names, and a picture by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

FOLDER = Path(__file__).resolve().parent.parent / "example_images"


def example_names(kind: str = "") -> list[str]:
    """File names of a kind of picture ("content", "style"), or of all, contents first; none if the folder is gone."""
    return sorted(path.name for path in FOLDER.glob(f"{kind}*.png"))


def example_micrographs() -> list[str]:
    """File names of what Load Micrograph can show of the pack: the contents, then the time-lapse."""
    return example_names("content") + sorted(path.name for path in FOLDER.glob("content*.tif"))


def example_path(name: str, known: list[str] | None = None) -> Path:
    """The file of that name. known: the names to choose from; all pictures where None.

    Raises: ValueError: none of them is called that, whatever the disk may hold.
    """
    known = example_names() if known is None else known
    if name not in known:
        known = ", ".join(known)
        raise ValueError(f"{str(name)[:200]!r} is not a picture of the pack; it has {known}. Choose one of them.")
    return FOLDER / name


def read_example(name: str) -> torch.Tensor:
    """A picture of the pack as IMAGE (1, height, width, 3) in 0..1, float32. Raises: ValueError: see example_path."""
    with Image.open(example_path(name)) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels)[None]
