"""Leica LIF, one frame at a time, by liffile."""

from __future__ import annotations

import contextlib

import numpy as np

from ..errors import MicrographError
from ..lengths import micrometres
from ..source import Channel, PixelSize, Source
from ..tiff_channels import rgb_channels
from .grid import CHANNEL, Grid, choose_series, needed, only_level


@contextlib.contextmanager
def open_lif(path, name: str, series: int, pyramid_level: int, stack_axis: str):
    """An image of a LIF file as a Source; the innermost two axes (X and Y, or X and Z) are the picture.

    Raises: MicrographError, or what liffile raises on a damaged file.
    """
    liffile = needed("liffile", "liffile", name, "a Leica LIF file")
    only_level(pyramid_level, name)
    with liffile.LifFile(path) as lif:
        image = lif.images[choose_series(len(lif.images), series, name)]
        dtype = np.dtype(image.dtype)
        if image.is_flim or dtype.kind not in "buif":
            raise MicrographError(f"{name} holds lifetimes or {dtype} in series {series}. Export it as TIFF.")
        rgb = image.dims[-1] == "S"
        dims, shape = (image.dims[:-1], image.shape[:-1]) if rgb else (image.dims, image.shape)
        if len(dims) < 2 or (rgb and any(d in CHANNEL for d in dims)):
            raise MicrographError(f"{name} holds no picture in series {series}, but axes {' '.join(dims)}.")
        grid = Grid(dims[:-2], shape[:-2], name)

        def read(channel: int, time: int, depth: int) -> np.ndarray:
            index = grid.index(0 if rgb else channel, time, depth)
            frame = image.frame(**dict(zip(grid.axes, index, strict=True)))
            return frame[..., channel] if rgb else frame

        count = len(lif.images)
        spacing = {axis: _step(image.coords.get(axis)) for axis in image.dims}
        x, y = spacing[dims[-1]], spacing[dims[-2]]
        depths = [a for a in grid.axes if a not in (*CHANNEL, "T")]
        source = Source(
            name=name,
            format="LIF",
            width=shape[-1],
            height=shape[-2],
            dtype=dtype,
            read=read,
            channels=rgb_channels() if rgb else _channels(image, grid),
            depths=grid.count("z"),
            times=grid.count("time"),
            rgb=rgb,
            bits=dtype.itemsize * 8 if dtype.kind == "u" else None,
            axes="".join(image.dims),
            shape=tuple(image.shape),
            pixel_size=PixelSize(x or y, y or x, spacing[depths[0]] if len(depths) == 1 else None, "LIF dimensions"),
            interval=_seconds(image.coords.get("T")),
        )
        if not (x or y):
            source.pixel_size = PixelSize()
        if count > 1:
            names = [one.name[:40] for one, _ in zip(lif.images, range(8), strict=False)]
            source.note("series " + ", ".join(f"{n + 1}: {one}" for n, one in enumerate(names)))
        if (dims[-2], dims[-1]) != ("Y", "X"):
            source.note(f"the picture's axes are {dims[-1]} across and {dims[-2]} down")
        yield source


def _step(coordinates) -> float | None:
    """Micrometres between two neighbours of an axis in metres."""
    if coordinates is None or len(coordinates) < 2:
        return None
    return micrometres(abs(float(coordinates[1]) - float(coordinates[0])), "m")


def _seconds(coordinates) -> float | None:
    step = _step(coordinates)
    return step / 1e6 if step else None


def _channels(image, grid: Grid) -> list[Channel]:
    """Colours of the file's lookup tables, where there is one a channel."""
    count = grid.count("channel")
    found = [element.get("LUTName", "") for element in image.xml_element.iter("ChannelDescription")]
    colours = {"Red": "#ff0000", "Green": "#00ff00", "Blue": "#0000ff", "Cyan": "#00ffff", "Magenta": "#ff00ff",
               "Yellow": "#ffff00", "Gray": "#ffffff"}  # fmt: skip
    names = found if len(found) == count else [""] * count
    return [Channel(f"channel {n + 1}", colours.get(one)) for n, one in enumerate(names)]
