"""Pictures as the metrics need them: checked, of one size, as luminance."""

from __future__ import annotations

import numpy as np
from PIL import Image
from skimage.color import rgb2gray


def check_picture(picture: np.ndarray, what: str) -> tuple[np.ndarray, int]:
    """(height, width, 1, 3 or 4) as (height, width, 3) float64 in 0..1; opacity is left out, other values are clipped.

    Returns: the picture, and how many values had to be clipped.
    Raises: ValueError: another shape, empty, NaN or infinite values.
    """
    if picture.ndim != 3 or picture.shape[-1] not in (1, 3, 4) or picture.size == 0:
        raise ValueError(
            f"{what} has shape {tuple(picture.shape)}; a picture (height, width, 1, 3 or 4 channels) is expected. "
            "Connect an IMAGE."
        )
    picture = np.asarray(picture, np.float64)[..., :3]
    broken = picture.size - int(np.isfinite(picture).sum())
    if broken:
        raise ValueError(
            f"{what} holds {broken} values that are NaN or infinite, so nothing can be measured. Look at the node that "
            "made it; a VAE in half precision is the usual cause, try it in fp32."
        )
    clipped = int(((picture < 0) | (picture > 1)).sum())
    picture = np.clip(picture, 0, 1)
    return (np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture), clipped


def check_mask(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask (height, width) as weights in 0..1 at `shape`, resized where it must be.

    Raises: ValueError where it selects nothing, holds NaN, or isn't two-dimensional.
    """
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"mask has shape {tuple(mask.shape)}; (height, width) is expected. Connect a MASK.")
    if not np.isfinite(mask).all():
        raise ValueError("mask holds NaN or infinite values. Draw it again.")
    weights = resize(np.clip(np.asarray(mask, np.float64), 0, 1)[..., None], shape)[..., 0]
    if weights.max() < 0.5:
        raise ValueError(
            "mask selects nothing: no pixel is 0.5 or more, and there is nothing to measure. Load Image gives such a "
            "mask for a picture without transparency; disconnect it, or draw one."
        )
    return weights


def resize(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(height, width, channels) at another (height, width): bicubic with antialiasing, clipped to 0..1."""
    if picture.shape[:2] == tuple(shape):
        return picture
    planes = (Image.fromarray(np.ascontiguousarray(picture[..., n], np.float32)) for n in range(picture.shape[2]))
    size = (shape[1], shape[0])
    resized = [np.asarray(plane.resize(size, Image.Resampling.BICUBIC), np.float64) for plane in planes]
    return np.clip(np.stack(resized, -1), 0, 1)


def luminance(picture: np.ndarray) -> np.ndarray:
    """(height, width) of (height, width, 3): Rec. 709 weights on the stored values, skimage.color.rgb2gray."""
    return rgb2gray(picture)


def strongest_channel(picture: np.ndarray) -> np.ndarray:
    """(height, width) of (height, width, 3), in which any colour stands out from the ground that it lies on.

    The brightest channel of a dark picture (fluorescence: pure blue is 7 % of the luminance), the darkest channel of a
    bright one (stains: each takes light from some channel), the middle of both in between. Grey stays as it is, and a
    negative gives the negative; whether the median is 0.5 or more says whether the ground is bright.
    """
    high, low = picture.max(-1), picture.min(-1)
    if np.median(high) < 0.5:
        return high
    return low if np.median(low) >= 0.5 else (high + low) / 2


def weighted_mean(values: np.ndarray, weights: np.ndarray | None) -> float:
    """The mean of a map, over a mask if there is one."""
    if weights is None:
        return float(values.mean())
    return float((values * weights).sum() / weights.sum())
