"""What every file becomes: a grid of channels, times and depths whose planes are read one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Channel:
    """A channel's name, and its colour where the file says one.

    `colour` is `#rrggbb` for a table that runs from black to that colour; any other table of the file's is `lut`,
    (entries, 3) in 0..1.
    """

    name: str
    colour: str | None = None
    lut: np.ndarray | None = None


@dataclass
class PixelSize:
    """Micrometres per pixel, None where unknown, and what said so."""

    x: float | None = None
    y: float | None = None
    z: float | None = None
    source: str = "unknown"


@dataclass
class Source:
    """An open file.

    read(channel, time, depth) gives one plane, (height, width), in the file's own type, or None where the file does not
    hold it. `alpha` is the index that reads the opacity, where there is one; it comes after the channels. `rgb`: the
    first three channels are red, green and blue. `cut_off` says what is missing of a file that ends early but still
    holds whole planes. `interval` is in seconds.
    """

    name: str
    format: str
    width: int
    height: int
    dtype: np.dtype
    read: Callable[[int, int, int], np.ndarray | None]
    channels: list[Channel]
    depths: int = 1
    times: int = 1
    rgb: bool = False
    alpha: int | None = None
    bits: int | None = None
    axes: str = "YX"
    shape: tuple[int, ...] = ()
    pixel_size: PixelSize = field(default_factory=PixelSize)
    interval: float | None = None
    level_scale: float = 1.0
    cut_off: str = ""
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Adds a note once."""
        if text not in self.notes:
            self.notes.append(text)
