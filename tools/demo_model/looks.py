"""The same picture in another look: what a query is shown while its reference keeps the true one (train_unet.py)."""

from __future__ import annotations

import numpy as np
from drawing import blur
from scipy import ndimage

SMOOTHING = ((0.0, 0.0), (1.5, 0.01), (3.0, 0.01), (5.0, 0.015))  # (window's sigma in pixels, edge threshold)
SMOOTHING_SHARES = (0.2, 0.25, 0.3, 0.25)


def other_look(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Its structure with less or no texture, other colours, contrast and brightness; (H, W, 3) float32 in 0..1."""
    sigma, threshold = SMOOTHING[rng.choice(len(SMOOTHING), p=SMOOTHING_SHARES)]
    return recoloured(smoothed(picture, sigma, threshold) if sigma else picture, rng)


def smoothed(picture: np.ndarray, sigma: float, threshold: float) -> np.ndarray:
    """The guided filter (He et al. 2013) by the picture's own grey: texture weaker than the threshold's root goes."""

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values, sigma, mode="reflect", truncate=2.5)

    guide = picture.mean(axis=2)
    middle = mean(guide)
    spread = mean(guide * guide) - middle * middle + threshold
    result = np.empty_like(picture)
    for channel in range(3):
        plane = picture[..., channel]
        level = mean(plane)
        slope = (mean(guide * plane) - middle * level) / spread
        result[..., channel] = mean(slope) * guide + mean(level - slope * middle)
    return result


def recoloured(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey, paler or with its channels mixed; then other contrast, gamma and tint."""
    grey = picture.mean(axis=2, keepdims=True)
    kind = rng.integers(4)
    if kind == 0:
        result = np.repeat(grey, 3, axis=2)
    elif kind == 1:
        result = grey + (picture - grey) * rng.uniform(0, 1.2)
    else:
        mixing = np.eye(3) * rng.uniform(0.3, 1) + rng.dirichlet([1, 1, 1], 3) * rng.uniform(0.2, 0.7)
        result = picture @ mixing.T.astype(np.float32)
    middle = result.mean(axis=(0, 1))
    each = (1, 1, 3) if rng.random() < 0.3 else (1, 1, 1)
    result = middle + (result - middle) * rng.uniform(0.45, 1.3, each)
    result = np.clip(result, 0, 1) ** np.exp(rng.uniform(-0.6, 0.6))
    if rng.random() < 0.5:
        result = result * rng.uniform(0.6, 1, (1, 1, 3)) + rng.uniform(0, 0.2, (1, 1, 3))
    return np.clip(result, 0, 1).astype(np.float32)


def without_texture(picture: np.ndarray) -> np.ndarray:
    """Blurred by 4 pixels: what a picture's latents have beyond this one's is its texture."""
    return blur(picture, 4.0)
