"""What every file becomes: a grid of channels, times and depths whose planes are read one at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .errors import MicrographError, in_one_sentence

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"


@dataclass
class Channel:
    """A channel's name, and its colour where the file says one (`#rrggbb`)."""

    name: str
    colour: str | None = None


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

    read(channel, time, depth) gives one plane, (height, width), in the file's own type. `alpha` is the index that reads
    the opacity, where there is one; it comes after the channels.
    """

    name: str
    format: str
    width: int
    height: int
    dtype: np.dtype
    read: Callable[[int, int, int], np.ndarray]
    channels: list[Channel]
    depths: int = 1
    times: int = 1
    rgb: bool = False
    alpha: int | None = None
    bits: int | None = None
    axes: str = "YX"
    shape: tuple[int, ...] = ()
    pixel_size: PixelSize = field(default_factory=PixelSize)
    level_scale: float = 1.0
    notes: list[str] = field(default_factory=list)


@contextlib.contextmanager
def open_source(path: str | Path, name: str, series: int = 1, pyramid_level: int = 0, stack_axis: str = "z"):
    """Opens a TIFF, PNG or JPEG file, told apart by its first bytes and not by its name.

    Args:
        series: image of a TIFF with several, counted from 1.
        pyramid_level: 0 is the full resolution.
        stack_axis: what the pages of a TIFF without metadata are: "z", "time" or "channel".
    Raises: MicrographError.
    """
    from .pillow_reader import open_picture
    from .tiff_reader import open_tiff

    with in_one_sentence(name), contextlib.ExitStack() as stack:
        try:
            handle = stack.enter_context(open(path, "rb"))
        except OSError as error:
            reason = error.strerror or "it can't be opened"
            raise MicrographError(f"{name} can't be opened ({reason}). Upload the file again.") from None
        magic = handle.read(8)
        handle.seek(0)
        if magic[:4] in TIFF_MAGIC:
            source = stack.enter_context(open_tiff(handle, name, series, pyramid_level, stack_axis))
        elif magic == PNG_MAGIC or magic[:3] == JPEG_MAGIC:
            source = open_picture(handle, name)
        else:
            what = "is empty" if not magic else "is not a TIFF, PNG or JPEG file"
            raise MicrographError(f"{name} {what}. Save it as TIFF (Fiji opens most microscope formats) and load that.")
        yield source
