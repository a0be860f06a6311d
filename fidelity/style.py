"""How far the result is from the style: in colour and in texture."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import jensenshannon
from skimage.color import rgb2lab
from skimage.feature import local_binary_pattern

from .pictures import luminance

PROJECTIONS = 64
PIXELS = 32_768
"""Pixels compared; a larger picture gives a fixed random sample of so many."""

SEED = 0
PATTERNS = ((8, 1), (16, 2), (24, 3))
"""Neighbours and radius of the three resolutions (Ojala et al. 2002, section 3)."""


def colour_distance(x: np.ndarray, y: np.ndarray, inside: np.ndarray | None = None) -> float:
    """Sliced Wasserstein distance between the colours of two pictures, in CIELAB units; 0 is the same palette.

    The mean over 64 fixed directions of the one-dimensional Wasserstein-1 distance (Bonneel, Rabin, Peyre, Pfister:
    "Sliced and Radon Wasserstein barycenters of measures", 2015). Where a colour sits does not matter. A shift of every
    colour by d gives about d / 2.

    Args:
        x, y: (height, width, 3) in 0..1, of any two sizes.
        inside: boolean mask on x.
    """
    colours_x = rgb2lab(x)[inside] if inside is not None else rgb2lab(x).reshape(-1, 3)
    colours_y = rgb2lab(y).reshape(-1, 3)
    directions = np.random.default_rng(SEED).normal(size=(PROJECTIONS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    count = min(PIXELS, len(colours_x), len(colours_y))
    a = np.sort(_sample(colours_x) @ directions.T, axis=0)
    b = np.sort(_sample(colours_y) @ directions.T, axis=0)
    return float(np.abs(_quantiles(a, count) - _quantiles(b, count)).mean())


def texture_distance(x: np.ndarray, y: np.ndarray, inside: np.ndarray | None = None) -> float:
    """Distance between the textures of two pictures, 0 (the same) to 1 (nothing in common).

    Histograms of rotation-invariant uniform local binary patterns of the luminance at three resolutions (Ojala,
    Pietikainen, Maenpaa, PAMI 24(7), 2002), compared by the Jensen-Shannon distance (base 2) and averaged. The
    luminance is brought to one mean and variance first: brightness, contrast and colour play no part.

    Args:
        x, y: (height, width, 3) in 0..1, of any two sizes; patterns are 3 to 7 pixels wide in each.
        inside: boolean mask on x.
    """
    normal_x, normal_y = _normalise(luminance(x)), _normalise(luminance(y))
    distances = []
    for neighbours, radius in PATTERNS:
        p = _histogram(normal_x, neighbours, radius, inside)
        q = _histogram(normal_y, neighbours, radius, None)
        distances.append(jensenshannon(p, q, base=2))
    return float(np.mean(np.nan_to_num(distances)))


def _sample(colours: np.ndarray) -> np.ndarray:
    if len(colours) <= PIXELS:
        return colours
    return colours[np.random.default_rng(SEED).choice(len(colours), PIXELS, replace=False)]


def _quantiles(ordered: np.ndarray, count: int) -> np.ndarray:
    """`count` evenly spaced values of each sorted column; all of them where there are as many."""
    return ordered[((np.arange(count) + 0.5) * len(ordered) / count).astype(int)]


def _normalise(picture: np.ndarray) -> np.ndarray:
    """uint8 with mean 128 and three standard deviations to either end; a flat picture is all 128."""
    spread = picture.std()
    if spread < 1e-6:
        return np.full(picture.shape, 128, np.uint8)
    return np.clip(np.rint(128 + 127 / 3 * (picture - picture.mean()) / spread), 0, 255).astype(np.uint8)


def _histogram(picture: np.ndarray, neighbours: int, radius: int, inside: np.ndarray | None) -> np.ndarray:
    patterns = local_binary_pattern(picture, neighbours, radius, method="uniform").astype(int)
    patterns = patterns.ravel() if inside is None else patterns[inside]
    return np.bincount(patterns, minlength=neighbours + 2)[: neighbours + 2] / patterns.size
