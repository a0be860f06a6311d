"""Edge agreement: precision, recall and F1 of edges within a few pixels.

Edges: Canny (skimage). Agreement: the boundary F1 of Csurka, Larlus, Perronnin: "What is a good evaluation measure for
semantic segmentation?", BMVC 2013, after Martin, Fowlkes, Malik, PAMI 2004.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, sobel
from skimage.feature import canny

STRONG, WEAK = 0.90, 0.80
"""Canny's thresholds as quantiles of the gradient, so that a change of contrast alone moves no edge."""

FAINTEST = 0.02
"""Least gradient (Sobel units, a step of about 2.5 / 255): the grain of a flat picture is no edge."""


@dataclass(frozen=True)
class EdgeAgreement:
    """Scores in 0..1, and boolean maps (height, width) of the edges found in both, lost, and new."""

    f1: float
    precision: float
    recall: float
    content_edges: int
    result_edges: int
    matched: np.ndarray
    lost: np.ndarray
    new: np.ndarray


def find_edges(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Canny edges (height, width) of a picture (height, width), or of any of its channels (height, width, channels).

    Args:
        picture: in 0..1. All channels have one pair of thresholds, so that an empty one has no edges.
        sigma: blur in pixels before edges are looked for.
    """
    if min(picture.shape[:2]) < 3:
        return np.zeros(picture.shape[:2], bool)
    if picture.ndim == 2 or (picture == picture[..., :1]).all():
        channels = [picture if picture.ndim == 2 else picture[..., 0]]
    else:
        channels = [np.ascontiguousarray(picture[..., n]) for n in range(picture.shape[2])]
    gradient = np.max([_gradient(channel, sigma) for channel in channels], axis=0)
    strong, weak = np.quantile(gradient, (STRONG, WEAK))
    if strong <= FAINTEST:
        # few pixels carry all the edges there are
        strong, weak = 2 * FAINTEST, FAINTEST
    weak = max(weak, FAINTEST)
    found = [canny(c, sigma, low_threshold=weak, high_threshold=strong, mode="nearest") for c in channels]
    return np.logical_or.reduce(found)


def _gradient(channel: np.ndarray, sigma: float) -> np.ndarray:
    smooth = gaussian_filter(channel, sigma, mode="nearest") if sigma > 0 else channel
    return np.hypot(sobel(smooth, 0), sobel(smooth, 1))


def edge_agreement(
    x: np.ndarray, y: np.ndarray, tolerance: float, sigma: float, inside: np.ndarray | None = None
) -> EdgeAgreement:
    """Compares the edges of a content x and a result y, (height, width) or (height, width, channels), in 0..1.

    Args:
        tolerance: pixels that an edge may move and still count as found.
        inside: boolean mask; only edges there are counted, though their partners may lie outside.
    Returns: precision = the share of the result's edges that the content has; recall = the share of the content's edges
        that the result has. No edges in either: 1. Edges in one only: 0.
    """
    edges_x, edges_y = find_edges(x, sigma), find_edges(y, sigma)
    found_x, found_y = _near(edges_y, tolerance), _near(edges_x, tolerance)
    if inside is not None:
        edges_x, edges_y = edges_x & inside, edges_y & inside
    matched, lost, new = edges_x & found_x, edges_x & ~found_x, edges_y & ~found_y
    count_x, count_y = int(edges_x.sum()), int(edges_y.sum())
    if not count_x and not count_y:
        precision = recall = 1.0
    else:
        recall = int(matched.sum()) / count_x if count_x else 0.0
        precision = int((edges_y & found_y).sum()) / count_y if count_y else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return EdgeAgreement(f1, precision, recall, count_x, count_y, matched, lost, new)


def _near(edges: np.ndarray, tolerance: float) -> np.ndarray:
    """Pixels no further than `tolerance` from an edge."""
    if not edges.any():
        return np.zeros(edges.shape, bool)
    return distance_transform_edt(~edges) <= tolerance
