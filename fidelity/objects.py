"""Nuclei, cells, grains: segmented in both pictures, matched one to one.

Segmentation: local threshold (Otsu's on the difference to the surroundings), distance-transform watershed, least and
largest area: the standard scikit-image pipeline. Matching at
an intersection over union of 0.5: Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data
Science Bowl", Nature Methods 16, 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage as ndi
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from .wide_blur import wide_blur

POLARITIES = ("auto", "dark", "bright")
LEAST_CONTRAST = 4 / 255
"""A picture whose luminance spans less than this has no objects."""

SHARES = (64, 16, 4)
"""Where nobody says how large an object can be: a 64th of the picture, so that nuclei are found in tissue and not the
tissue. Where most of what stands out is larger than that (a single cell), a 16th, and then a quarter."""

WINDOW = 0.75
"""Sigma of the surroundings that an object is compared with, in radii of the largest: wide enough that its middle still
stands out (exp(-0.9) of its contrast), narrow enough that tissue does not."""


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
    largest_area: int
    labels_content: np.ndarray
    labels_result: np.ndarray
    matched_content: np.ndarray
    matched_result: np.ndarray


def segment(
    picture: np.ndarray, polarity: str, least_area: int, like: np.ndarray | None = None, largest_area: int = 0
) -> tuple[np.ndarray, str]:
    """Labels of the objects in a picture (height, width) in 0..1, and whether they are "dark" or "bright".

    Args:
        polarity: "dark", "bright", or "auto": dark in a bright picture and bright in a dark one, by its median. Where
            `like` (boolean) gives another picture's objects, auto is what agrees best with them: a style may turn a
            picture into its negative.
        least_area, largest_area: in pixels; smaller and larger objects are left out. The threshold is local, in a
            window as wide as the largest object. Largest 0: see `SHARES`.
    """
    found = _segment(picture, polarity, least_area, like, largest_area)
    return found.labels, found.polarity


@dataclass(frozen=True)
class _Segmented:
    labels: np.ndarray
    polarity: str
    largest_area: int


def _segment(picture, polarity, least_area, like, largest_area) -> _Segmented:
    smooth = ndi.gaussian_filter(picture, 1.0, mode="nearest")
    if polarity == "auto" and (like is None or not like.any()):
        polarity = "dark" if np.median(picture) >= 0.5 else "bright"
    if np.ptp(smooth) < LEAST_CONTRAST:
        empty = np.zeros(picture.shape, np.int32)
        return _Segmented(empty, "bright" if polarity == "auto" else polarity, largest_area)
    for largest in [largest_area] if largest_area else [max(least_area, picture.size // n) for n in SHARES]:
        level = smooth - wide_blur(smooth, WINDOW * (largest / np.pi) ** 0.5)
        masks = {sign: mask for sign, mask in _foregrounds(level) if polarity in (sign, "auto")}
        best = polarity if polarity in masks else max(masks, key=lambda sign: _overlap(masks[sign], like))
        mask = _with_insides(_clean(masks[best], least_area), smooth, least_area, largest)
        pieces = _split(mask, least_area, largest)
        labels = _keep_sizes(pieces, least_area, largest)
        if 2 * np.count_nonzero(_keep_sizes(pieces, largest + 1)) <= np.count_nonzero(mask):
            break
    return _Segmented(labels, best, largest)


def match_objects(
    x: np.ndarray,
    y: np.ndarray,
    polarity: str = "auto",
    least_area: int = 30,
    least_iou: float = 0.5,
    inside: np.ndarray | None = None,
    largest_area: int = 0,
) -> ObjectMatch:
    """Segments and matches a content x and a result y, (height, width) in 0..1.

    Args:
        polarity, least_area, largest_area: see `segment`; of both, the largest is what was taken for the content.
        inside: boolean mask; an object counts where at least half of it lies inside.
    Returns: fraction and f1 are 1 where neither picture has objects, 0 where only one has.
    """
    found_x = _segment(x, polarity, least_area, None, largest_area)
    labels_x = found_x.labels
    found_y = _segment(y, polarity, least_area, labels_x > 0, found_x.largest_area)
    labels_y = found_y.labels
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
        content_polarity=found_x.polarity,
        result_polarity=found_y.polarity,
        largest_area=found_x.largest_area,
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


def _foregrounds(level: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """What is brighter than its surroundings, and what is darker, by Otsu's threshold."""
    yield "bright", level > threshold_otsu(level)
    yield "dark", -level > threshold_otsu(-level)


def _split(mask: np.ndarray, least_area: int, largest_area: int) -> np.ndarray:
    """Labels of a mask's pieces, touching objects taken apart where they narrow, without nets.

    A net is what hangs together over more than an object and is nowhere thicker than the least of them: membranes
    between cells, fibres. Taken apart it would be a hundred small objects.
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    depth, wholes = ndi.distance_transform_edt(mask), ndi.label(mask)[0]
    distance = ndi.gaussian_filter(depth, 1.5)
    least = (least_area / np.pi) ** 0.5
    peaks = _peaks(distance, wholes, max(4, round(least)))
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    pieces = watershed(-distance, markers, mask=mask)
    at = tuple(peaks.T)
    of_a_net = (np.bincount(wholes.ravel())[wholes[at]] > largest_area) & (depth[at] <= 1.5 * least)
    keep = np.concatenate([[False], ~of_a_net])
    return pieces * keep[pieces]


def _peaks(distance: np.ndarray, pieces: np.ndarray, apart: int) -> np.ndarray:
    """`peak_local_max` within each piece. It is slow for thousands of them: asked only about those of several hills."""
    hill = pieces > 0
    high, wide = (np.pad(array, 1) for array in (distance, pieces))
    rows, columns = pieces.shape
    for y, x in np.ndindex(3, 3):
        there = slice(y, y + rows), slice(x, x + columns)
        hill &= (distance >= high[there]) | (pieces != wide[there])
    places = np.argwhere(hill)
    owners = pieces[hill]
    several = np.bincount(owners, minlength=pieces.max() + 1) > 1
    found = places[~several[owners]]
    if several.any():
        left = np.where(several[pieces], pieces, 0)
        found = np.concatenate([found, peak_local_max(distance, min_distance=apart, labels=left, exclude_border=False)])
    return found[np.argsort(pieces[tuple(found.T)], kind="stable")]


def _with_insides(mask: np.ndarray, smooth: np.ndarray, least_area: int, largest_area: int) -> np.ndarray:
    """The mask with those holes filled that are as bright as their rims.

    In a window smaller than an object its middle is its own surroundings, and only its rim stands out: holes of a
    quarter of the largest object and more. Smaller ones are filled in what is no larger than an object (nucleoli in a
    nucleus), and left in what is (the gaps of a tissue). A hole in which other pieces lie is ground, and so is one that
    is nearer to what lies outside than to its rim.
    """
    holes, _ = ndi.label(~mask)
    sizes = np.bincount(holes.ravel())
    at_border = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    enclosed = np.setdiff1d(np.flatnonzero(sizes >= max(1, least_area)), [0, *at_border])
    outside = np.isin(holes, at_border[at_border > 0])
    if not len(enclosed) or not outside.any():
        return mask
    wholes, _ = ndi.label(mask)
    areas = np.bincount(wholes.ravel())
    filled, ground, boxes = mask.copy(), np.median(smooth[outside]), ndi.find_objects(holes)
    for number in enclosed:
        box = tuple(slice(max(0, side.start - 2), side.stop + 2) for side in boxes[number - 1])
        hole, here = holes[box] == number, smooth[box]
        rim = ndi.binary_dilation(hole, iterations=2) & mask[box]
        if sizes[number] < largest_area // 4 and areas[wholes[box][rim]].max(initial=0) > largest_area:
            continue
        level = np.median(here[hole])
        if abs(level - np.median(here[rim])) < abs(level - ground) and np.array_equal(
            ndi.binary_fill_holes(hole), hole
        ):
            filled[box] |= hole
    return filled


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def _clean(mask: np.ndarray, least_area: int) -> np.ndarray:
    """Opened by a pixel, holes up to half an object filled, specks removed."""
    mask = ndi.binary_opening(mask, border_value=0) | (mask & _border(mask.shape))
    holes = _keep_sizes(ndi.label(~mask)[0], max(1, least_area)) == 0
    return _keep_sizes(ndi.label(holes)[0], least_area) > 0


def _border(shape: tuple[int, int]) -> np.ndarray:
    frame = np.zeros(shape, bool)
    frame[[0, -1]] = frame[:, [0, -1]] = True
    return frame


def _keep_sizes(labels: np.ndarray, least_area: int, largest_area: float = np.inf) -> np.ndarray:
    """Labels whose area lies between these, the others 0."""
    areas = np.bincount(labels.ravel())
    keep = (areas >= least_area) & (areas <= largest_area)
    keep[0] = False
    return labels * keep[labels]


def _inside(labels: np.ndarray, inside: np.ndarray | None) -> set[int]:
    """The labels that count."""
    size = np.bincount(labels.ravel())
    part = size if inside is None else np.bincount(labels.ravel(), weights=inside.ravel(), minlength=len(size))
    keep = (size > 0) & (part * 2 >= size)
    keep[0] = False
    return set(np.flatnonzero(keep).tolist())
