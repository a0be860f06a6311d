"""Which part of the picture a network call sees: conditionings with an area show the network a crop.

Style features have no place and stay whole; what lies on the content's canvas (its queries, its residual features,
masks) is cropped alike.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import torch

from ..equations.token_grid import match_grid


class Area(NamedTuple):
    """A rectangle of a picture, in latent pixels."""

    top: int
    left: int
    height: int
    width: int
    full_height: int
    full_width: int

    @property
    def is_whole(self) -> bool:
        return (self.height, self.width) == (self.full_height, self.full_width)


def areas_by_uuid(conds: Sequence, shape: Sequence[int], picture: tuple[int, int] | None = None) -> dict:
    """{uuid of a conditioning: its Area}, for what ComfyUI's `calc_cond_batch` is about to run.

    Args:
        conds: lists of ComfyUI's prepared conditionings, or None. shape: (B, C, h, w) of what they are run on.
        picture: (H, W) of the picture that is predicted, where known. Guidance that runs the network on windows of it
            has another shape; nobody says where they lie, so the Area is None.
    """
    height, width = shape[-2:]
    is_whole = picture is None or tuple(picture) == (height, width)
    found = {}
    for cond in (cond for group in conds for cond in group or ()):
        if not is_whole:
            found[cond["uuid"]] = None
            continue
        top, left, h, w = 0, 0, height, width
        if cond.get("area") is not None:
            area = list(cond["area"])
            dims = len(area) // 2
            h, w, top, left = *area[:2], *area[dims : dims + 2]
        found[cond["uuid"]] = Area(top, left, min(height - top, h), min(width - left, w), height, width)
    return found


def areas_of_call(
    transformer_options: Mapping,
    shape: Sequence[int],
    chunks: int,
    areas: Mapping[Hashable, Area | None],
    picture: tuple[int, int] | None = None,
) -> list[Area | None]:
    """The Area of each chunk of the batch that one network call sees; None where that is not known.

    Args:
        shape: (B, C, h, w) of what the call sees. chunks: conditionings stacked along the batch.
        areas: what `areas_by_uuid` found; empty where somebody calls the network directly.
        picture: (H, W) of the picture that is predicted, where known.
    """
    size, uuids = tuple(shape[-2:]), transformer_options.get("uuids", ())
    if len(uuids) != chunks or any(uuid not in areas for uuid in uuids):
        cut = bool(areas) or tuple(picture or size) != size
        return [None if cut else Area(0, 0, *size, *size)] * chunks
    found = [areas[uuid] for uuid in uuids]
    return [area if area and (area.height, area.width) == size else None for area in found]


def crop_tokens(features: torch.Tensor, grid: tuple[int, int], area: Area, wanted: tuple[int, int]) -> torch.Tensor:
    """The part of a picture's features that lies in an area.

    Args:
        features: (b, h * w, C) of the whole picture, at any size. grid: its (h, w).
        wanted: (h', w') of the area's tokens.
    Returns:
        (b, h' * w', C); the very tokens where the area's edges lie on the grid, else between neighbours.
    """
    if area.is_whole:
        return match_grid(features, grid, wanted)
    pitches = _pitches((area.height, area.width), wanted)
    whole = tuple(
        max(1, math.ceil(size / pitch))
        for size, pitch in zip((area.full_height, area.full_width), pitches, strict=True)
    )
    features = match_grid(features, grid, whole).unflatten(1, whole)
    for dim, start, pitch in ((1, area.top, pitches[0]), (2, area.left, pitches[1])):
        features = _window(features, dim, start / pitch, wanted[dim - 1])
    return features.flatten(1, 2)


def crop_mask(mask: torch.Tensor, area: Area) -> torch.Tensor:
    """The part of a (B, H, W) mask on the whole picture's canvas that lies in an area; at least one pixel."""
    if area.is_whole:
        return mask
    for dim, start, size, full in (
        (-2, area.top, area.height, area.full_height),
        (-1, area.left, area.width, area.full_width),
    ):
        pixels = mask.shape[dim]
        first = min(pixels - 1, round(start / full * pixels))
        mask = mask.narrow(dim, first, max(1, round((start + size) / full * pixels) - first))
    return mask


def _pitches(size: tuple[int, int], tokens: tuple[int, int]) -> tuple[float, float]:
    """Latent pixels from token to token: a power of two in a UNet, any ratio where another node has rescaled it."""
    for pitch in (1, 2, 4, 8, 16):
        if all(math.ceil(pixels / pitch) == count for pixels, count in zip(size, tokens, strict=True)):
            return pitch, pitch
    return size[0] / tokens[0], size[1] / tokens[1]


def _window(x: torch.Tensor, dim: int, start: float, count: int) -> torch.Tensor:
    """`count` entries of x along `dim` from position `start` on; between whole positions, of both neighbours."""
    low = math.floor(start)
    part = start - low
    last = x.shape[dim] - 1

    def at(offset: int) -> torch.Tensor:
        return x.index_select(dim, torch.arange(low + offset, low + offset + count, device=x.device).clamp(0, last))

    return at(0) if part == 0 else torch.lerp(at(0), at(1), part)
