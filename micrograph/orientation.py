"""The orientation of TIFF 6.0 (tag 274) and EXIF: where the first row and column of the stored picture belong."""

from __future__ import annotations

import numpy as np

UPRIGHT = 1
NOTE = "turned upright as its orientation tag says"


def turns(orientation) -> bool:
    """Whether the tag's value is one of the seven that change something; an unknown one counts as 1."""
    return orientation in range(2, 9)


def swaps_sides(orientation) -> bool:
    """Whether rows become columns."""
    return orientation in range(5, 9)


def upright(plane: np.ndarray, orientation) -> np.ndarray:
    """(height, width, ...) as it is meant to be seen; a view."""
    if orientation in (2, 3, 6, 7):
        plane = plane[:, ::-1] if orientation in (2, 3) else plane[::-1]
    if orientation in (3, 4, 7, 8):
        plane = plane[::-1] if orientation in (3, 4) else plane[:, ::-1]
    return plane.swapaxes(0, 1) if swaps_sides(orientation) else plane
