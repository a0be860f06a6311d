"""A styled picture put back on the micrograph it came from: background, brightness and pseudo-colours."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

BACKGROUNDS = ("black", "styled", "content")
COLOURS = ("styled", "content")
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_DARK = 1 / 255


def compose(
    content: np.ndarray,
    styled: np.ndarray,
    mask: np.ndarray | None = None,
    background: str = "black",
    colours: str = "styled",
    brightness: float = 1.0,
    detail: float = 1.0,
) -> np.ndarray:
    """The styled picture in the foreground, and what is to be around it.

    Args:
        content, styled: (H, W, 3), 0 .. 1, of one size. mask: (H, W), 1 in the foreground; None for all of it.
        background: "black", "styled" or "content", outside the mask.
        colours: "styled" as they are; "content" takes the styled picture's intensity and tints it by the content's
            pseudo-colours, so that channels stay apart.
        brightness: 0 .. 1, share of the content's own brightness, coarser than `detail`, in the result. What is bright
            in the content stays brighter than what is around it, the styled background's included.
        detail: standard deviation in pixels that divides the two.
    Returns:
        (H, W, 3) float32, 0 .. 1.
    """
    drawn = styled.astype(np.float32)
    if colours == "content":
        drawn = drawn.max(axis=2, keepdims=True) * pseudo_colour(content)
    if brightness:
        drawn = drawn * _brightness_gain(content, drawn, brightness, detail)
    if mask is not None and background != "styled":
        around = content if background == "content" else np.zeros_like(drawn)
        drawn = around + (drawn - around) * mask[..., None]
    return np.clip(drawn, 0, 1).astype(np.float32)


def pseudo_colour(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3): each pixel's colour at full intensity, its brightest channel 1; black has that of white."""
    brightest = picture.max(axis=2, keepdims=True)
    colour = picture / np.maximum(brightest, _DARK)
    return np.where(brightest > _DARK, colour, 1).astype(np.float32)


def _brightness_gain(content: np.ndarray, drawn: np.ndarray, share: float, detail: float) -> np.ndarray:
    """(H, W, 1): what brings the coarse brightness of `drawn` to the content's, by `share` of the way.

    The content's is stretched to the drawn picture's range first, so that a dim micrograph does not dim its picture.
    Strokes finer than `detail` keep their light and dark to the power 1 - share / 2: at their full strength they hide
    faint nuclei.
    """
    # a nucleus in blue is as bright as one in green
    light = drawn @ _LUMA
    ours, theirs = (gaussian_filter(x, detail) for x in (light, content.max(axis=2).astype(np.float32)))
    top_ours, top_theirs = np.quantile(ours, 0.99), max(float(np.quantile(theirs, 0.99)), _DARK)
    wanted = theirs * (max(float(top_ours), _DARK) / top_theirs)
    lit = np.maximum(ours, _DARK)
    strokes = np.maximum(light, _DARK) / lit  # finer than `detail`
    coarse = ((1 - share) * ours + share * wanted) / lit
    return (coarse * strokes ** (-share / 2))[..., None]
