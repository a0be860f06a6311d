"""Nuclei, cells, grains: segmented in both pictures, matched one to one.

Segmentation: flat field, Otsu threshold, distance-transform watershed, the standard scikit-image pipeline. Matching at
an intersection over union of 0.5: Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data
Science Bowl", Nature Methods 16, 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

POLARITIES = ("auto", "dark", "bright")
LEAST_CONTRAST = 4 / 255
"""A picture whose luminance spans less than this has no objects."""

CROWDED = 0.5
"""Share of a picture above which a foreground is taken for the tissue that the objects lie in."""


@dataclass(frozen=True)
class ObjectMatch:
    """What became of the objects.

    `fraction` is matched / content objects; `labels_*` are (height, width) integers, 0 background; `matched_*` are the
    labels that found a partner.
    """

    fraction: float
    f1: float
    mean_iou: float
    content_objects: int
    result_objects: int
    matched: int
    content_polarity: str
    result_polarity: str
    labels_content: np.ndarray
    labels_result: np.ndarray
    matched_content: np.ndarray
    matched_result: np.ndarray


def segment(picture: np.ndarray, polarity: str, least_area: int, like: np.ndarray | None = None):
    """Labels of the objects in a luminance picture (height, width) in 0..1, and whether they are "dark" or "bright".

    Args:
        polarity: "dark", "bright", or "auto": dark in a bright picture and bright in a dark one, by its median. Where
            `like` (boolean) gives another picture's objects, auto is what agrees best with them: a style may turn a
            picture into its negative.
        least_area: smaller objects are left out, in pixels.
    """
    smooth = ndi.gaussian_filter(picture, 1.0, mode="nearest")
    if polarity == "auto" and (like is None or not like.any()):
        polarity = "dark" if np.median(picture) >= 0.5 else "bright"
    if np.ptp(smooth) < LEAST_CONTRAST:
        return np.zeros(picture.shape, np.int32), "bright" if polarity == "auto" else polarity
    # slow changes of the lamp go, objects up to a quarter of the picture stay
    level = smooth - ndi.gaussian_filter(smooth, max(picture.shape) / 4, mode="nearest")
    masks = {"bright": lambda: _foreground(level), "dark": lambda: _foreground(-level)}
    if polarity == "auto":
        found = {key: mask() for key, mask in masks.items()}
        polarity = max(found, key=lambda key: _overlap(found[key], like))
    mask = _clean(masks[polarity](), least_area)
    if not mask.any():
        return np.zeros(picture.shape, np.int32), polarity
    distance = ndi.gaussian_filter(ndi.distance_transform_edt(mask), 1.5)
    apart = max(4, round((least_area / np.pi) ** 0.5))
    peaks = peak_local_max(distance, min_distance=apart, labels=ndi.label(mask)[0], exclude_border=False)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return _drop_small(watershed(-distance, markers, mask=mask), least_area), polarity


def match_objects(
    x: np.ndarray,
    y: np.ndarray,
    polarity: str = "auto",
    least_area: int = 30,
    least_iou: float = 0.5,
    inside: np.ndarray | None = None,
) -> ObjectMatch:
    """Segments and matches a content x and a result y, (height, width) in 0..1.

    Args:
        inside: boolean mask; an object counts where at least half of it lies inside.
    Returns: fraction and f1 are 1 where neither picture has objects, 0 where only one has.
    """
    labels_x, dark_x = segment(x, polarity, least_area)
    labels_y, dark_y = segment(y, polarity, least_area, like=labels_x > 0)
    pairs = best_pairs(labels_x, labels_y, least_iou)
    mine, theirs = _inside(labels_x, inside), _inside(labels_y, inside)
    pairs = [pair for pair in pairs if pair[0] in mine]
    matched_x = np.array([a for a, _, _ in pairs], int)
    matched_y = np.array([b for _, b, _ in pairs], int)
    count_x, count_y, matched = len(mine), len(theirs | set(matched_y.tolist())), len(pairs)
    nothing = count_x == count_y == 0
    return ObjectMatch(
        fraction=1.0 if nothing else matched / count_x if count_x else 0.0,
        f1=1.0 if nothing else 2 * matched / (count_x + count_y),
        mean_iou=float(np.mean([iou for _, _, iou in pairs])) if pairs else float(nothing),
        content_objects=count_x,
        result_objects=count_y,
        matched=matched,
        content_polarity=dark_x,
        result_polarity=dark_y,
        labels_content=np.where(np.isin(labels_x, list(mine)), labels_x, 0),
        labels_result=np.where(np.isin(labels_y, [*theirs, *matched_y.tolist()]), labels_y, 0),
        matched_content=matched_x,
        matched_result=matched_y,
    )


def best_pairs(labels_x: np.ndarray, labels_y: np.ndarray, least_iou: float) -> list[tuple[int, int, float]]:
    """One-to-one pairs (label, label, IoU) of at least this IoU with the largest sum of IoU (Hungarian method)."""
    both = (labels_x > 0) & (labels_y > 0)
    if not both.any():
        return []
    size_x, size_y = np.bincount(labels_x.ravel()), np.bincount(labels_y.ravel())
    table = coo_array((np.ones(int(both.sum()), np.int64), (labels_x[both], labels_y[both])))
    table.sum_duplicates()
    rows, columns = table.coords
    iou = table.data / (size_x[rows] + size_y[columns] - table.data)
    keep = iou >= least_iou
    rows, columns, iou = rows[keep], columns[keep], iou[keep]
    # groups of objects that touch no other group are solved alone
    shape = (len(size_x) + len(size_y),) * 2
    _, group = connected_components(coo_array((iou, (rows, columns + len(size_x))), shape=shape), directed=False)
    order = np.argsort(group[rows], kind="stable")
    pairs = []
    for members in np.split(order, np.flatnonzero(np.diff(group[rows[order]])) + 1):
        a, i = np.unique(rows[members], return_inverse=True)
        b, j = np.unique(columns[members], return_inverse=True)
        score = np.zeros((len(a), len(b)))
        score[i, j] = iou[members]
        for r, c in zip(*linear_sum_assignment(score, maximize=True), strict=True):
            if score[r, c] > 0:
                pairs.append((int(a[r]), int(b[c]), float(score[r, c])))
    return pairs


def _foreground(level: np.ndarray) -> np.ndarray:
    """The bright part, by Otsu; where that is most of the picture (tissue), what stands out in it locally (nuclei)."""
    mask = level > threshold_otsu(level)
    if mask.mean() > CROWDED:
        level = level - ndi.gaussian_filter(level, max(level.shape) / 24, mode="nearest")
        mask = level > threshold_otsu(level)
    return mask


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def _clean(mask: np.ndarray, least_area: int) -> np.ndarray:
    """Opened by a pixel, holes up to half an object filled, specks removed."""
    mask = ndi.binary_opening(mask, border_value=0) | (mask & _border(mask.shape))
    holes = _drop_small(ndi.label(~mask)[0], max(1, least_area)) == 0
    return _drop_small(ndi.label(holes)[0], least_area) > 0


def _border(shape: tuple[int, int]) -> np.ndarray:
    frame = np.zeros(shape, bool)
    frame[[0, -1]] = frame[:, [0, -1]] = True
    return frame


def _drop_small(labels: np.ndarray, least_area: int) -> np.ndarray:
    """Labels whose area is at least this, the others 0."""
    keep = np.bincount(labels.ravel()) >= least_area
    keep[0] = False
    return np.where(keep[labels], labels, 0)


def _inside(labels: np.ndarray, inside: np.ndarray | None) -> set[int]:
    """The labels that count."""
    size = np.bincount(labels.ravel())
    part = size if inside is None else np.bincount(labels.ravel(), weights=inside.ravel(), minlength=len(size))
    keep = (size > 0) & (part * 2 >= size)
    keep[0] = False
    return set(np.flatnonzero(keep).tolist())
