"""Olympus FluoView OIB and OIF, one plane at a time, by oiffile."""

from __future__ import annotations

import contextlib
import os

import numpy as np
from tifffile import TiffFile

from ..errors import MicrographError
from ..lengths import micrometres
from ..microscope_tags import seconds
from ..source import Channel, PixelSize, Source
from .grid import Grid, choose_series, needed, only_level


@contextlib.contextmanager
def open_oif(path, name: str, series: int, pyramid_level: int, stack_axis: str):
    """An OIB file, or an OIF file with the folder `NAME.files` beside it, as a Source.

    Raises: MicrographError, or what oiffile raises on a damaged file.
    """
    oiffile = needed("oiffile", "oiffile", name, "an Olympus OIB or OIF file")
    only_level(pyramid_level, name)
    _check_folder(path, name)
    with oiffile.OifFile(path) as oif:
        sequence = oif.series[choose_series(len(oif.series), series, name)]
        grid = Grid(sequence.axes, sequence.shape, name)
        files = dict(zip(sequence.indices, sequence, strict=True))

        def plane(index: tuple[int, ...]) -> np.ndarray | None:
            if index not in files:
                return None
            with contextlib.closing(oif.open_file(files[index])) as file, TiffFile(file) as tif:
                page = tif.pages[0]
                if page.ndim != 2 or page.shape != expected.get("shape", page.shape):
                    raise MicrographError(f"{name} holds planes of several sizes. Export it as TIFF.")
                expected["shape"] = page.shape
                if page.size > 2**28:
                    raise MicrographError(f"{name} declares planes of {page.shape}. Its header is wrong.")
                return page.asarray()

        expected: dict = {}
        first = plane(next(iter(files)))
        settings = oif.mainfile
        reference = settings.get("Reference Image Parameter", {})
        bits = reference.get("ValidBitCounts")
        sizes = [micrometres(reference.get(f"{side}ConvertValue"), reference.get(f"{side}Unit", "um"))
                 for side in ("Width", "Height")]  # fmt: skip
        axes = {str(axis.get("AxisCode")): axis for key, axis in settings.items() if key.startswith("Axis ")}
        size = PixelSize(*sizes, _step(axes.get("Z"), micrometres), "OIF Reference Image")
        whole = first.dtype.itemsize * 8
        source = Source(
            name=name,
            format="OIB" if oif.is_oib else "OIF",
            width=first.shape[1],
            height=first.shape[0],
            dtype=first.dtype,
            read=lambda c, t, z: plane(grid.index(c, t, z)),
            channels=_channels(settings, grid.count("channel")),
            depths=grid.count("z"),
            times=grid.count("time"),
            bits=(bits if isinstance(bits, int) and 1 <= bits <= whole else whole) if first.dtype.kind == "u" else None,
            axes=f"{''.join(grid.axes)}YX",
            shape=(*grid.shape, *first.shape),
            pixel_size=size if size.x else PixelSize(),
            interval=_step(axes.get("T"), seconds),
        )
        yield source


def _check_folder(path, name: str) -> None:
    """An OIF file's planes lie in a folder beside it; nothing that leads elsewhere is followed."""
    folder = f"{path}.files"
    if not os.path.isdir(folder):
        return
    root = os.path.realpath(os.path.dirname(path))
    for entry in (folder, *(os.path.join(folder, one) for one in os.listdir(folder))):
        if os.path.commonpath((os.path.realpath(entry), root)) != root:
            raise MicrographError(f"{name} has planes that lead out of its folder. Copy the files themselves.")


def _step(axis: dict | None, convert) -> float | None:
    """What lies between two neighbours along an axis."""
    try:
        length = abs(float(axis["EndPosition"]) - float(axis["StartPosition"]))
        return convert(length / (int(axis["MaxSize"]) - 1), str(axis["UnitName"]))
    except (TypeError, KeyError, ValueError, ZeroDivisionError):
        return None


def _channels(settings, count: int) -> list[Channel]:
    made = []
    for n in range(count):
        about = settings.get(f"Channel {n + 1} Parameters", {})
        made.append(Channel(str(_dye(about) or about.get("CH Name") or f"channel {n + 1}")[:80]))
    return made


def _dye(about) -> str:
    name = str(about.get("DyeName") or "")
    return "" if name == "None" else name
