"""Where the nodes of a workflow stand: frames from left to right, so that a 1080p screen shows them as large as it can.

ComfyUI opens a template so that the whole of it fills 3/4 of the window, and hides the text on nodes below a zoom of
57 %. Which frames share a column, and how many columns of nodes a frame has, is searched for the largest zoom.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

WINDOW, FILLED, ROUND = (1920, 950), 0.75, 20  # the browser's window, the part that a fresh graph takes, its margins
TITLE, GAP, PADDING, GROUP_TITLE = 30, 26, 16, 40
HEIGHTS = range(500, 1501, 20)  # limits of a column of frames that are tried
MOST_COLUMNS = 4  # of nodes in one frame

Size = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A node in a layout: any object, and its size without the title bar."""

    node: object
    size: Size


@dataclass(frozen=True)
class Shape:
    """One way to draw a frame: columns of nodes."""

    columns: tuple[tuple[Box, ...], ...]
    framed: bool

    @functools.cached_property
    def width(self) -> int:
        """Of the frame."""
        return sum(map(_width, self.columns)) + GAP * (len(self.columns) - 1) + 2 * PADDING

    @functools.cached_property
    def height(self) -> int:
        """Of the frame."""
        return max(map(_height, self.columns)) + (GROUP_TITLE if self.framed else 0)


@dataclass
class Frame:
    """What belongs together. sizes: all sizes that a node may have, widest last; shape, corner: as `arrange` chose."""

    nodes: list[object]
    framed: bool
    sizes: Callable[[object], list[Size]]
    shape: Shape = field(init=False)
    corner: tuple[int, int] = (0, 0)

    def shapes(self) -> list[Shape]:
        """The ways in which the nodes, in their order, can stand in columns; none is wider and higher than another."""
        found = []
        for sizes in itertools.product(*map(self.sizes, self.nodes)):
            boxes = [Box(node, size) for node, size in zip(self.nodes, sizes, strict=True)]
            for count in range(1, min(len(boxes), MOST_COLUMNS) + 1):
                ways = [Shape(columns, self.framed) for columns in _split(boxes, count)]
                found.append(min(ways, key=lambda shape: (shape.height, shape.width)))
        found.sort(key=lambda shape: (shape.width, shape.height))
        lowest = itertools.accumulate((shape.height for shape in found), min, initial=math.inf)
        return [shape for shape, before in zip(found, lowest, strict=False) if shape.height < before]

    def positions(self) -> Iterator[tuple[object, tuple[int, int], Size]]:
        """Each node's left upper corner, below its title bar, and its size."""
        x = self.corner[0] + PADDING
        for column in self.shape.columns:
            y = self.corner[1] + (GROUP_TITLE if self.framed else 0)
            for box in column:
                yield box.node, (x, y + TITLE), box.size
                y += TITLE + box.size[1] + PADDING
            x += _width(column) + GAP


def arrange(frames: list[Frame]) -> None:
    """Choose every frame's shape and corner: columns of frames in their order, a note where there is room for it."""
    shapes = {id(frame): frame.shapes() for frame in frames}
    found: list[tuple[float, int, list[Frame], list[list[Shape]]]] = []
    for order in _orders(frames):
        in_order = [shapes[id(frame)] for frame in order]
        for limit in HEIGHTS:
            if columns := _columns(in_order, limit):
                width, height = _extent(columns)
                found.append((round(zoom(width, height), 3), -height, order, columns))
    if not found:
        raise ValueError(f"A frame is higher than {HEIGHTS[-1]} pixels: give its nodes several frames.")
    *_, order, columns = max(found, key=lambda each: each[:2])
    x, waiting = 0, iter(order)
    for column in columns:
        y = 0
        for shape, frame in zip(column, waiting, strict=False):
            frame.shape, frame.corner = shape, (x, y)
            y += shape.height + GAP
        x += max(shape.width for shape in column) + GAP


def _orders(frames: list[Frame]) -> Iterator[list[Frame]]:
    """The frames in their order, and in those in which the first without a frame, a note, stands elsewhere."""
    yield frames
    for note in [frame for frame in frames if not frame.framed][:1]:
        others = [frame for frame in frames if frame is not note]
        for place in range(len(frames)):
            yield [*others[:place], note, *others[place:]]


def zoom(width: int, height: int) -> float:
    """The scale at which a graph of this extent, in pixels, opens as a template; at most 1."""
    return min(FILLED * WINDOW[0] / (width + ROUND), FILLED * WINDOW[1] / (height + ROUND), 1.0)


def _extent(columns: list[list[Shape]]) -> Size:
    """Width and height of the nodes, without what their frames add at the edges."""
    width = sum(max(shape.width for shape in column) + GAP for column in columns) - GAP - 2 * PADDING
    bottom = max(sum(shape.height + GAP for shape in column) for column in columns) - GAP - PADDING
    return width, bottom - min(GROUP_TITLE if column[0].framed else 0 for column in columns)


def _columns(shapes: list[list[Shape]], limit: int) -> list[list[Shape]] | None:
    """The narrowest columns of frames no higher than the limit; None when one frame is higher alone."""
    best: list[tuple[int, list[list[Shape]]] | None] = [(0, [])]
    for end in range(1, len(shapes) + 1):
        ways = []
        for start in range(end):
            column = _narrowest(shapes[start:end], limit)
            if column and best[start]:
                width, before = best[start]
                ways.append((width + max(shape.width for shape in column) + GAP, [*before, column]))
        best.append(min(ways, key=lambda way: way[0], default=None))
    return best[-1][1] if best[-1] else None


def _narrowest(stack: list[list[Shape]], limit: int) -> list[Shape] | None:
    """A shape for each frame of a column, as narrow as the limit lets them; None when they are too high."""
    for width in sorted({shape.width for shapes in stack for shape in shapes}):
        fitting = [[shape for shape in shapes if shape.width <= width] for shapes in stack]
        if all(fitting):
            column = [min(shapes, key=lambda shape: shape.height) for shapes in fitting]
            if sum(shape.height + GAP for shape in column) - GAP <= limit:
                return column
    return None


def _split(boxes: list[Box], count: int) -> Iterator[tuple[tuple[Box, ...], ...]]:
    """Every way to cut a list into so many parts."""
    for cuts in itertools.combinations(range(1, len(boxes)), count - 1):
        edges = (0, *cuts, len(boxes))
        yield tuple(tuple(boxes[a:b]) for a, b in itertools.pairwise(edges))


def _width(column: tuple[Box, ...]) -> int:
    return max(box.size[0] for box in column)


def _height(column: tuple[Box, ...]) -> int:
    return sum(TITLE + box.size[1] + PADDING for box in column)
