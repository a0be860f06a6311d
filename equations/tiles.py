"""A picture in overlapping tiles: where they lie, how they are cut, and how they are put together without a seam.

Blending once, of finished tiles, under raised cosines. MultiDiffusion (Bar-Tal et al. 2023, arXiv 2302.08113) blends
every step instead, which holds every tile's features at once; `tools/bench.py --only tiles` measures the seams of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch


@dataclass(frozen=True)
class TileLayout:
    """Tiles of one size, row by row; (start, stop) along each axis, in whatever unit they were laid."""

    rows: tuple[tuple[int, int], ...]
    columns: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        return self.rows[-1][1], self.columns[-1][1]

    def places(self) -> list[tuple[slice, slice]]:
        """Each tile's rows and columns."""
        return [(slice(*row), slice(*column)) for row in self.rows for column in self.columns]

    def times(self, factor: int) -> TileLayout:
        """The same tiles in a unit that is `factor` times finer: latent pixels to pixels."""
        rows, columns = (tuple((a * factor, b * factor) for a, b in axis) for axis in (self.rows, self.columns))
        return TileLayout(rows, columns)


def lay_tiles(size: tuple[int, int], side: int, overlap: int, multiple: int = 8) -> TileLayout:
    """Tiles of `side`, or of the picture where that is smaller, evenly spread over a picture.

    Args:
        size: (height, width) of the picture.
        side: of a tile. overlap: that neighbours have at least, less than `side - multiple`.
        multiple: tiles begin at multiples of this (except the last, which ends with the picture), so that a network
            which halves the grid three times sees the same pixels together in each.

    >>> lay_tiles((64, 100), 64, 16).columns
    ((0, 64), (36, 100))
    """
    return TileLayout(*(_spans(length, side, overlap, multiple) for length in size))


def cut(x: torch.Tensor, layout: TileLayout) -> list[torch.Tensor]:
    """The tiles of (..., height, width)."""
    return [x[..., rows, columns] for rows, columns in layout.places()]


def mosaic(tiles: Sequence[torch.Tensor], layout: TileLayout) -> torch.Tensor:
    """Tiles (..., h, w) side by side, cut in the middle of what they share: every place once, nothing averaged.

    Averaging would lower the spread of noise; so this, and not `blend`, is what statistics of the whole are taken from.
    """
    whole = tiles[0].new_empty(*tiles[0].shape[:-2], *layout.size)
    cells = [(row, column) for row in _cells(layout.rows) for column in _cells(layout.columns)]
    for tile, (rows, columns), (row, column) in zip(tiles, layout.places(), cells, strict=True):
        down, across = slice(row[0] - rows.start, row[1] - rows.start), slice(column[0] - columns.start, None)
        part = tile[..., down, across][..., : column[1] - column[0]]
        whole[..., slice(*row), slice(*column)] = part
    return whole


def blend(tiles: Iterable[torch.Tensor], layout: TileLayout) -> torch.Tensor:
    """Finished tiles (..., h, w) as one picture, each fading out over what it shares with its neighbours.

    One tile alone comes back bit for bit.
    """
    total = weights = None
    windows = [(down, across) for down in _windows(layout.rows) for across in _windows(layout.columns)]
    for tile, (rows, columns), (down, across) in zip(tiles, layout.places(), windows, strict=True):
        if total is None:
            total = tile.new_zeros(*tile.shape[:-2], *layout.size, dtype=torch.float32)
            weights = torch.zeros(layout.size, device=tile.device)
        window = (down[:, None] * across).to(tile.device)
        total[..., rows, columns] += tile.float() * window
        weights[rows, columns] += window
    return total / weights


def _spans(length: int, side: int, overlap: int, multiple: int) -> tuple[tuple[int, int], ...]:
    last = length - side
    if last <= 0:
        return ((0, length),)
    stride = max(multiple, (side - overlap) // multiple * multiple)
    count = -(-last // stride) + 1
    starts = (min(last, -(-index * last // (count - 1) // multiple) * multiple) for index in range(count - 1))
    return tuple((start, start + side) for start in (*dict.fromkeys(starts), last))


def _cells(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Each span cut in the middle of what it shares with the next."""
    borders = [0, *((stop + start) // 2 for (_, stop), (start, _) in pairwise(spans)), spans[-1][1]]
    return list(pairwise(borders))


def _windows(spans: Sequence[tuple[int, int]]) -> list[torch.Tensor]:
    """Weights along one axis: 1 inside, a raised cosine where the neighbour takes over, 1 at the picture's border."""
    windows = []
    for index, (start, stop) in enumerate(spans):
        window = torch.ones(stop - start)
        if index:
            ramp = _ramp(spans[index - 1][1] - start)
            window[: len(ramp)] *= ramp
        if index + 1 < len(spans):
            ramp = _ramp(stop - spans[index + 1][0])
            window[len(window) - len(ramp) :] *= ramp.flip(0)
        windows.append(window)
    return windows


def _ramp(length: int) -> torch.Tensor:
    """0 to 1 over `length` pixels, both ends left out; it and its mirror image add up to 1."""
    return torch.sin((torch.arange(length) + 0.5) / length * (torch.pi / 2)).square()
