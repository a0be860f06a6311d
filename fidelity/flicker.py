"""Flicker: how much more a stylised time-lapse changes from frame to frame than its source, where nothing moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from .pictures import strongest_channel

ROUNDING = 0.25 / 255
"""Mean change of a source that counts as none: a rounding step in every fourth pixel."""

STILL = 2.0
"""A place is still where its change, blurred by `STILL_SIGMA` pixels, is at most this many times the median."""

STILL_SIGMA = 2.0
ALIKE = 0.25
"""Least correlation between two pictures in a row that are taken for frames of one scene."""


def flicker(
    content: Sequence[np.ndarray], result: Sequence[np.ndarray], mask: np.ndarray | None = None
) -> float | None:
    """Mean change from frame to frame in the result / in the source, in the source's still places.

    1: the result is as calm as its source; 2: it flickers twice as much as the source's noise. A result that does not
    change at all has 0.

    Args:
        content, result: frames in order, (height, width, 3) in 0..1, as many of both and of one size.
        mask: (height, width) booleans; only there.
    Returns: None where there are fewer than two frames, or two in a row do not show one scene.
    """
    changed_x = changed_y = 0.0
    for n in range(1, len(content)):
        before, now = strongest_channel(content[n - 1]), strongest_channel(content[n])
        if _correlation(before, now) < ALIKE:
            return None
        change = np.abs(content[n] - content[n - 1]).mean(-1)
        smooth = gaussian_filter(change, STILL_SIGMA, mode="nearest")
        still = smooth <= max(ROUNDING, STILL * np.median(smooth))
        still = still if mask is None else still & mask
        if still.any():
            changed_x += max(float(change[still].mean()), ROUNDING)
            changed_y += float(np.abs(result[n] - result[n - 1]).mean(-1)[still].mean())
    return changed_y / changed_x if changed_x else None


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Of two pictures; equal ones have 1, also flat ones."""
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale else float((x == y).all())
