"""A synthetic 16-bit z-stack of nuclei and membranes on black, and how well each nucleus can be told from around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import binary_dilation, gaussian_filter

COUNT = 70


def places(size: int, seed: int = 0, count: int = COUNT) -> np.ndarray:
    """(count, 3): centre y, x and radius of nuclei that keep apart from each other, in pixels."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        y, x = rng.uniform(0.04 * size, 0.96 * size, 2)
        radius = rng.uniform(0.018, 0.026) * size
        if all(np.hypot(y - v, x - u) > 2.1 * (radius + r) for v, u, r in found):
            found.append((y, x, radius))
    return np.array(found)


def stack(size: int = 256, depth: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(depth, 3, size, size) uint16 (membranes, granules, nuclei), and the nuclei numbered from 1, (size, size)."""
    rng = np.random.default_rng(seed)
    volume, labels = np.zeros((depth, 3, size, size), np.float32), np.zeros((size, size), int)
    rows, columns = np.mgrid[:size, :size]
    for number, (y, x, radius) in enumerate(places(size, seed), 1):
        distance = np.hypot(rows - y, columns - x)
        inside = distance <= radius
        labels[inside] = number
        at, light = rng.integers(depth), rng.uniform(0.35, 1)
        for z in range(depth):
            focus = np.exp(-0.5 * ((z - at) / 1.2) ** 2)
            texture = gaussian_filter(rng.normal(size=(size, size)), 1.5) * 0.25
            volume[z, 2] += focus * light * gaussian_filter(inside * (0.8 + texture), 0.6)
            volume[z, 0] += focus * 0.5 * light * np.exp(-0.5 * ((distance - 1.5 * radius) / (0.12 * radius)) ** 2)
    granules = gaussian_filter((rng.random((depth, size, size)) > 0.998).astype(np.float32), (0, 0.8, 0.8))
    volume[:, 1] += 0.6 * granules / granules.max() * gaussian_filter((labels > 0).astype(np.float32), 6)
    counts = rng.poisson(np.clip(volume, 0, None) * 900 + 4) * 40.0  # photons, and a camera's offset
    return np.clip(counts, 0, 65535).astype(np.uint16), labels


def write_stack(path: Path, volume: np.ndarray) -> Path:
    """The stack as an OME-TIFF."""
    tifffile.imwrite(path, volume, metadata={"axes": "ZCYX"}, ome=True)
    return path


def separation(picture: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """d' of every nucleus: luminance inside against a ring around it, difference of means over pooled spread.

    Args:
        picture: (H, W, 3), 0 .. 1. labels: (H, W), nuclei numbered from 1.
    Returns:
        (nuclei,), the larger the easier to see; its sign is left out.
    """
    luminance, found = picture @ np.array([0.299, 0.587, 0.114]), []
    for number in range(1, labels.max() + 1):
        inside = labels == number
        ring = binary_dilation(inside, iterations=3) & ~binary_dilation(inside, iterations=1) & (labels == 0)
        a, b = luminance[inside], luminance[ring]
        pooled = np.sqrt((a.var() + b.var()) / 2)
        found.append(abs(a.mean() - b.mean()) / max(pooled, 1e-6))
    return np.array(found)
