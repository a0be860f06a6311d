"""Local gradient correlation: do lines and borders run the same way, whatever their colour and contrast?

The gradient g = |g| exp(i t) becomes |g| exp(2 i t): an edge and its negative are the same, a perpendicular one is the
opposite (double angle: Granlund 1978; the idea as a measure of alignment: Haber and Modersitzki, "Intensity gradient
based registration and fusion of multi-modal images", MICCAI 2006). These are correlated in a Gaussian window.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

GRADIENT_SIGMA = 1.0
WINDOW_SIGMA = 4.0
FLAT = 1e-8
"""Energy below this has no direction (a gradient of 1e-4 a pixel)."""


def gradient_maps(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The local correlation, -1..1, and the local strength of edges in x and in y.

    Args:
        x, y: (height, width), or (height, width, channels), in 0..1.
    Returns: three maps (height, width). Where only one picture has edges the correlation is 0 (something was lost
        or made up), where neither has any it is 1 and both strengths about 0.
    """
    ux, vx = _double_angle(x)
    uy, vy = _double_angle(y)

    def window(z):
        return gaussian_filter(z, WINDOW_SIGMA, mode="reflect")

    energy_x, energy_y = window(ux * ux + vx * vx), window(uy * uy + vy * vy)
    both = window(ux * uy + vx * vy)
    flat_x, flat_y = energy_x < FLAT, energy_y < FLAT
    scale = np.sqrt(np.maximum(energy_x, FLAT)) * np.sqrt(np.maximum(energy_y, FLAT))
    same = energy_x == energy_y
    scale = np.where(same, np.maximum(energy_x, FLAT), scale)
    correlation = np.clip(both / scale, -1, 1)
    correlation = np.where(flat_x | flat_y, 0.0, correlation)
    correlation = np.where(flat_x & flat_y, 1.0, correlation)
    return correlation, np.sqrt(np.maximum(energy_x, 0)), np.sqrt(np.maximum(energy_y, 0))


def gradient_correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The correlation, averaged with the strength of the edges as weight: 1 the same lines (also in negative), 0 none.

    x, y: see `gradient_maps`. weights: (height, width), 0 for what does not count.

    Two pictures without any edge score 1.
    """
    correlation, strength_x, strength_y = gradient_maps(x, y)
    strength = strength_x + strength_y
    strength = strength if weights is None else strength * weights
    total = strength.sum()
    return float((correlation * strength).sum() / total) if total > FLAT else 1.0


def change_map(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where structure changed, (height, width) in 0..1: lines that turned, vanished, faded or appeared, weighted with
    how strong they are.

    A picture's strengths are relative to their own 95th percentile: contrast that falls everywhere is no change,
    contrast that falls here is. A line at half its share of the contrast counts 0.11, at a quarter 0.36. Flat
    regions are 0.
    """
    correlation, *strengths = gradient_maps(x, y)
    tops = [np.percentile(strength, 95) for strength in strengths]
    share_x, share_y = (np.minimum(s / max(t, FLAT**0.5), 1) for s, t in zip(strengths, tops, strict=True))
    faded = ((share_x - share_y) / np.maximum(share_x + share_y, FLAT)) ** 2
    return np.maximum(share_x, share_y) * np.maximum(np.clip(1 - correlation, 0, 1), faded)


def _double_angle(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|g| cos 2t and |g| sin 2t of the Gaussian gradient; of channels the mean, so that a line in any of them counts.

    The mean of double angles is the direction of Di Zenzo's colour gradient (1986), whatever the signs in the channels.
    """
    if x.ndim == 3:
        if (x == x[..., :1]).all():
            return _double_angle(x[..., 0])
        parts = [_double_angle(x[..., n]) for n in range(x.shape[2])]
        return sum(u for u, _ in parts) / len(parts), sum(v for _, v in parts) / len(parts)
    gy = gaussian_filter(x, GRADIENT_SIGMA, order=(1, 0), mode="reflect")
    gx = gaussian_filter(x, GRADIENT_SIGMA, order=(0, 1), mode="reflect")
    length = np.hypot(gx, gy)
    safe = np.where(length > 0, length, 1)
    return (gx * gx - gy * gy) / safe, 2 * gx * gy / safe
