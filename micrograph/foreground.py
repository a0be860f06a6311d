"""Where the cells are: the part of a picture that a threshold tells from its background."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage import filters

METHODS = {"li": filters.threshold_li, "otsu": filters.threshold_otsu, "triangle": filters.threshold_triangle}
BACKGROUNDS = ("dark", "light")
# below this range of values there is nothing to tell apart: half of an 8-bit step
_FLAT = 0.5 / 255


def foreground(
    picture: np.ndarray,
    method: str = "li",
    level: float = 1.0,
    smoothing: float = 1.0,
    feather: float = 0.0,
    background: str = "dark",
) -> np.ndarray:
    """The foreground of a picture.

    The brightest channel of each pixel counts (over a light background the darkest, turned round), not the luminance: a
    nucleus in blue is as much a cell as one in green.

    Args:
        picture: (H, W, C), 0 .. 1. method: one of METHODS.
        level: factor on the threshold, > 0; higher keeps only what is brighter.
        smoothing: standard deviation in pixels of the blur before the threshold; takes specks away.
        feather: standard deviation in pixels of the blur of the edge; 0 for a hard one.
        background: one of BACKGROUNDS.
    Returns:
        (H, W) float32, 1 in the foreground; all 0 for a picture without contrast.
    Source: Li and Lee 1993 (minimum cross entropy), Otsu 1979, Zack et al. 1977 (triangle), as scikit-image has them.
    """
    value = picture.max(axis=2) if background == "dark" else 1 - picture.min(axis=2)
    value = gaussian_filter(value.astype(np.float32), smoothing)
    if float(np.ptp(value)) < _FLAT:
        return np.zeros(value.shape, np.float32)
    mask = (value > METHODS[method](value) * level).astype(np.float32)
    return gaussian_filter(mask, feather) if feather else mask
