"""Gatan DM3 and DM4, by RosettaSciIO."""

from __future__ import annotations

import contextlib

import numpy as np

from ..errors import MicrographError
from ..lengths import micrometres
from ..source import Channel, PixelSize, Source
from ..tiff_channels import rgb_channels
from .grid import Grid, choose_series, needed, only_level


@contextlib.contextmanager
def open_dm(path, name: str, series: int, pyramid_level: int, stack_axis: str):
    """A picture or stack of a DM3 or DM4 file as a Source; spectra are refused.

    Raises: MicrographError, or what RosettaSciIO raises on a damaged file.
    """
    reader = needed("rsciio.digitalmicrograph", "rosettasciio", name, "a Gatan DM3 or DM4 file")
    only_level(pyramid_level, name)
    try:
        pictures = reader.file_reader(str(path), lazy=True)
    except ValueError as error:
        if "RGBA" not in str(error):
            raise
        pictures = reader.file_reader(str(path), lazy=False)
    picture = pictures[choose_series(len(pictures), series, name)]
    data, axes = picture["data"], picture["axes"]
    rgb = data.dtype.names is not None
    if data.ndim < 2 or len(axes) != data.ndim or data.ndim > 3 or (not rgb and data.dtype.kind not in "buif"):
        raise MicrographError(f"{name} holds {data.ndim} axes of {data.dtype}, no picture or stack. Export it as TIFF.")
    stack = {"z": "Z", "time": "T", "channel": "C"}[stack_axis]
    grid = Grid(stack if data.ndim == 3 else "", data.shape[:-2], name)

    def read(channel: int, time: int, depth: int) -> np.ndarray:
        plane = np.asarray(data[grid.index(0 if rgb else channel, time, depth)])
        return plane["RGB"[channel]] if rgb else plane

    y, x = (micrometres(axis["scale"], axis["units"] or "") for axis in axes[-2:])
    dtype = np.dtype(np.uint8) if rgb or data.dtype.kind == "b" else data.dtype.newbyteorder("=")
    yield Source(
        name=name,
        format="DM4" if str(path).lower().endswith("4") else "DM3",
        width=data.shape[-1],
        height=data.shape[-2],
        dtype=dtype,
        read=read,
        channels=rgb_channels() if rgb else [Channel(f"channel {n + 1}") for n in range(grid.count("channel"))],
        depths=grid.count("z"),
        times=grid.count("time"),
        rgb=rgb,
        bits=dtype.itemsize * 8 if dtype.kind == "u" else None,
        axes=f"{''.join(grid.axes)}YX",
        shape=data.shape,
        pixel_size=PixelSize(x or y, y or x, None, "DM calibration") if x or y else PixelSize(),
        notes=[f"the file holds {len(pictures)} pictures, counted by series"] if len(pictures) > 1 else [],
    )
