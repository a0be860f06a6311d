"""The way back that keeps detail: colour and texture from the small styled picture, fine luminance from the content.

The detail is a level of the content's Laplacian pyramid (Burt and Adelson 1983): what it has at full size and loses at
the model's size.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from .canvas import resize

MODES = ("guided", "laplacian")
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
WINDOW_SIGMA = 4.0
"""Of the window in which a slope is fitted, in pixels of the small picture."""

FLAT = 1e-3
"""Variance of the content (0.03 squared) below which the slope goes to 0, so that noise is not taken for detail."""

STEEPEST = 2.0


def add_detail(large: np.ndarray, small: np.ndarray, content: np.ndarray, mode: str, amount: float) -> np.ndarray:
    """Adds to a picture that was enlarged what only the content still has.

    Args:
        large: the styled picture at its target size, (height, width, channels) in 0..1.
        small: the same at the size that the content was reduced to, (h, w, channels).
        content: the content at full size, any number of channels, in 0..1; it is resized to the target.
        mode: "laplacian" adds the content's fine luminance as it is; "guided" multiplies it with how the styled
            luminance follows the content's around each place, the slope of the guided filter (He, Sun, Tang, PAMI 2013,
            equation 5): turned where the style turned light into dark, less where it lowered the contrast.
        amount: 0 adds nothing, 1 all of it.
    Returns: `large` with detail, clipped to 0..1; the same where nothing was lost on the way.
    """
    height, width = large.shape[:2]
    if amount == 0 or (small.shape[0] >= height and small.shape[1] >= width):
        return large
    light = luminance(resize(content, width, height))
    reduced = resize(light, small.shape[1], small.shape[0])
    fine = light - resize(reduced, width, height)
    if mode == "guided":
        fine = fine * _enlarged(slope(reduced[..., 0], luminance(small)[..., 0]), width, height)
    detailed = large.copy()
    detailed[..., :3] = np.clip(large[..., :3] + np.float32(amount) * fine, 0, 1)
    return detailed


def slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much y changes with x around each place, -2..2; (height, width) of two such pictures."""

    def mean(z):
        return gaussian_filter(z, WINDOW_SIGMA, mode="nearest")

    mean_x = mean(x)
    steepness = (mean(x * y) - mean_x * mean(y)) / (np.maximum(mean(x * x) - mean_x**2, 0) + FLAT)
    return np.clip(steepness, -STEEPEST, STEEPEST)


def luminance(picture: np.ndarray) -> np.ndarray:
    """(height, width, 1) of (height, width, channels): Rec. 709 weights on the stored values, or the one channel."""
    return (picture[..., :3] @ LUMINANCE)[..., None] if picture.shape[-1] >= 3 else picture[..., :1]


def _enlarged(values: np.ndarray, width: int, height: int) -> np.ndarray:
    """A map (h, w) of -2..2 at another size, (height, width, 1)."""
    scaled = (values[..., None] + STEEPEST) / (2 * STEEPEST)
    return resize(scaled.astype(np.float32), width, height) * (2 * STEEPEST) - STEEPEST
