"""Panels of the report: pictures fitted into a frame, coloured overlays, a heat map."""

from __future__ import annotations

import numpy as np
from PIL import Image
from skimage.segmentation import find_boundaries

from ..common.palette import PAPER

# Okabe and Ito 2008: told apart with every kind of colour vision
MATCHED, LOST, NEW = (0, 158, 115), (213, 94, 0), (0, 114, 178)
LEAST_TOP = 0.1
"""The change that gets the brightest colour is at least this, so that a picture with hardly a change stays dark."""

HEAT = ((12, 12, 20), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164))


def placed(size: tuple[int, int], frame: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, width, height of a picture (width, height) as large as fits into a frame, centred."""
    scale = min(frame[0] / size[0], frame[1] / size[1])
    width, height = (max(1, min(f, round(s * scale))) for s, f in zip(size, frame, strict=True))
    return (frame[0] - width) // 2, (frame[1] - height) // 2, width, height


def to_image(picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """A picture (height, width, 3) in 0..1 at (width, height); small ones keep square pixels."""
    image = Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.NEAREST if size[0] >= 3 * image.width else Image.Resampling.LANCZOS)


def coverage(mask: np.ndarray, size: tuple[int, int], lines: bool = False) -> np.ndarray:
    """How much of each target pixel a boolean mask covers, 0..1; thin lines stay visible when made smaller."""
    if not mask.any():
        return np.zeros(size[::-1])
    scale = mask.shape[1] / size[0]
    way = Image.Resampling.BOX if scale > 1 else Image.Resampling.NEAREST
    part = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, way), np.float64) / 255
    return np.clip(part * max(1.0, scale), 0, 1) if lines else part


def paint(canvas: np.ndarray, part: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Lays a colour (0..255) over a canvas (height, width, 3) in 0..1 with opacity `part`."""
    return canvas + part[..., None] * (np.array(colour) / 255 - canvas)


def heat_colours(values: np.ndarray) -> np.ndarray:
    """Dark to bright for 0..1; (*values.shape, 3) in 0..1."""
    points = np.array(HEAT) / 255
    at = np.linspace(0, 1, len(points))
    return np.stack([np.interp(values, at, points[:, n]) for n in range(3)], -1)


def heat_top(change: np.ndarray) -> float:
    """The change that gets the brightest colour: the 99.5th percentile of a map, rounded up, at least `LEAST_TOP`."""
    return max(LEAST_TOP, float(np.ceil(np.percentile(change, 99.5) * 20) / 20))


def heat_map(change: np.ndarray, light: np.ndarray, top: float) -> np.ndarray:
    """The change map, 0 to `top`, over a dim trace of the content; (height, width, 3) in 0..1."""
    change = np.clip(change / top, 0, 1)
    share = np.sqrt(change)[..., None]
    return np.clip((1 - share) * 0.6 * light[..., None] ** 1.5 + (0.15 + 0.85 * share) * heat_colours(change), 0, 1)


def pale(luminance: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The content as a faint background, (height, width, 3) in 0..1."""
    picture = np.repeat(0.55 + 0.42 * luminance[..., None], 3, axis=2)
    return np.asarray(to_image(picture, size), np.float64) / 255


def edge_overlay(canvas: np.ndarray, edges) -> np.ndarray:
    """Edges kept, lost and new over a canvas (height, width, 3); `edges` as edges.EdgeAgreement, of any size."""
    size = canvas.shape[1::-1]
    for mask, colour in ((edges.matched, MATCHED), (edges.lost, LOST), (edges.new, NEW)):
        canvas = paint(canvas, coverage(mask, size, lines=True), colour)
    return canvas


def object_overlay(canvas: np.ndarray, objects) -> np.ndarray:
    """Objects found again (filled), lost (filled) and new (outlined) over a canvas (height, width, 3).

    objects: as objects.ObjectMatch, of any size.
    """
    size = canvas.shape[1::-1]
    found = np.isin(objects.labels_content, objects.matched_content) & (objects.labels_content > 0)
    lost = (objects.labels_content > 0) & ~found
    new = np.where(np.isin(objects.labels_result, objects.matched_result), 0, objects.labels_result)
    for mask, colour in ((found, MATCHED), (lost, LOST)):
        canvas = paint(canvas, 0.42 * coverage(mask, size), colour)
        outline = find_boundaries(np.where(mask, objects.labels_content, 0), mode="inner")
        canvas = paint(canvas, coverage(outline, size, lines=True), colour)
    return paint(canvas, coverage(find_boundaries(new, mode="inner"), size, lines=True), NEW)


def shade_outside(canvas: np.ndarray, inside: np.ndarray | None) -> np.ndarray:
    """A canvas (height, width, 3), faded to the colour of the paper outside the boolean mask `inside`, of any size."""
    if inside is None:
        return canvas
    return paint(canvas, 0.75 * (1 - coverage(inside, canvas.shape[1::-1])), PAPER)
