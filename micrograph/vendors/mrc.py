"""MRC and CCP4 maps of electron microscopy, by mrcfile."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np

from ..errors import MicrographError
from ..lengths import micrometres
from ..source import Channel, PixelSize, Source
from .grid import Grid, needed, only_level


@contextlib.contextmanager
def open_mrc(path, name: str, series: int, pyramid_level: int, stack_axis: str):
    """An MRC file as a Source, mapped into memory; a stack of pictures is what stack_axis says, a volume is depths.

    Raises: MicrographError, or what mrcfile raises on a damaged file.
    """
    mrcfile = needed("mrcfile", "mrcfile", name, "an MRC file")
    only_level(pyramid_level, name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        opened = mrcfile.mmap(path, mode="r", permissive=True)
    with opened as mrc:
        data = mrc.data
        if data is None or data.ndim < 2 or data.size == 0:
            why = next((str(w.message) for w in caught), "it holds no data")
            raise MicrographError(f"{name} is cut off or damaged ({' '.join(why.split())[:150]}). Copy it again.")
        if data.dtype.kind not in "buif":
            raise MicrographError(f"{name} holds {data.dtype} samples; whole or real numbers are expected.")
        letters = {"z": "Z", "time": "T", "channel": "C"}
        axes = ("", "", letters[stack_axis] if mrc.is_image_stack() else "Z", "TZ")[data.ndim - 1]
        grid = Grid(axes, data.shape[:-2], name)
        sizes = [micrometres(mrc.voxel_size[axis].item(), "angstrom") for axis in "xyz"]
        source = Source(
            name=name,
            format="MRC",
            width=data.shape[-1],
            height=data.shape[-2],
            dtype=data.dtype.newbyteorder("="),
            read=lambda c, t, z: np.asarray(data[grid.index(c, t, z)], data.dtype.newbyteorder("=")),
            channels=[Channel(f"channel {n + 1}") for n in range(grid.count("channel"))],
            depths=grid.count("z"),
            times=grid.count("time"),
            bits=data.dtype.itemsize * 8 if data.dtype.kind == "u" else None,
            axes=f"{axes}YX",
            shape=data.shape,
            pixel_size=PixelSize(*sizes, "MRC voxel size") if sizes[0] else PixelSize(),
        )
        source.note("rows in the order of the file, of which IMOD and Bio-Formats show the first at the bottom")
        for warning in caught[:4]:
            source.note(" ".join(str(warning.message).split())[:150])
        yield source
