"""SSIM and multi-scale SSIM on luminance.

Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment: from error visibility to structural similarity", IEEE TIP
13(4), 2004. Wang, Simoncelli, Bovik: "Multi-scale structural similarity for image quality assessment", Asilomar 2003.
Both compare contrast and its sign: an inverted picture scores low, which is reported as it is.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from .pictures import weighted_mean

WINDOW = 11
"""Side of the Gaussian window, sigma 1.5 (Wang et al. 2004, section III-C)."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, finest first (Wang et al. 2003, section 3.2)."""

C1, C2 = 0.01**2, 0.03**2


def ssim_maps(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SSIM, and its contrast-structure part, at every pixel of two (height, width) pictures in 0..1.

    Identical pictures give exactly 1. Any size; the window is mirrored at the border.
    """

    def window(z):
        return gaussian_filter(z, 1.5, truncate=3.5, mode="reflect")

    mean_x, mean_y = window(x), window(y)
    var_x, var_y = window(x * x) - mean_x * mean_x, window(y * y) - mean_y * mean_y
    covariance = window(x * y) - mean_x * mean_y
    structure = (2 * covariance + C2) / (var_x + var_y + C2)
    brightness = (2 * (mean_x * mean_y) + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
    return brightness * structure, structure


def ssim(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean SSIM, -1..1; without a mask over the pixels whose window lies inside, as skimage and Wang's code do."""
    return _pool(ssim_maps(x, y)[0], weights)


def ms_ssim(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, int]:
    """Multi-scale SSIM of two (height, width) pictures, in 0..1, and the number of scales used.

    Five scales need a shorter side of 176 pixels; smaller pictures use as many as leave a whole window, with the
    weights of those divided by their sum. Negative contrast-structure terms count as 0.
    """
    scales = 1
    while scales < len(SCALE_WEIGHTS) and min(x.shape) / 2**scales >= WINDOW:
        scales += 1
    exponents = np.array(SCALE_WEIGHTS[:scales])
    if scales < len(SCALE_WEIGHTS):
        exponents /= exponents.sum()
    product = 1.0
    for scale, exponent in enumerate(exponents):
        whole, structure = ssim_maps(x, y)
        last = scale == scales - 1
        product *= max(_pool(whole if last else structure, weights), 0.0) ** exponent
        if not last:
            x, y = halve(x), halve(y)
            weights = None if weights is None else halve(weights)
    return float(product), scales


def halve(x: np.ndarray) -> np.ndarray:
    """Every second pixel of the 2 x 2 mean; an odd last row or column is repeated (Wang's imfilter, symmetric)."""
    x = np.pad(x, [(0, side % 2) for side in x.shape], mode="edge")
    return (x[0::2, 0::2] + x[1::2, 0::2] + x[0::2, 1::2] + x[1::2, 1::2]) / 4


def _pool(values: np.ndarray, weights: np.ndarray | None) -> float:
    if weights is None and min(values.shape) >= WINDOW:
        pad = WINDOW // 2
        values = values[pad:-pad, pad:-pad]
    return weighted_mean(values, weights)
