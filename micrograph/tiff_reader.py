"""TIFF, BigTIFF, OME-TIFF, ImageJ hyperstacks and what else tifffile tells apart, plane by plane."""

from __future__ import annotations

import contextlib
import math

import numpy as np
from tifffile import TiffFile

from .errors import MicrographError
from .limits import check_planes, check_read
from .pillow_reader import RGB
from .pixel_size import from_tiff
from .source import Channel, Source
from .tiff_codecs import read_page
from .tiff_guard import check_chain, ome_colour, ome_images, read_ome_xml

ROLES = {"C": "channel", "E": "channel", "S": "channel", "Z": "z", "T": "time"}
MINISWHITE, RGB_PHOTOMETRIC, PALETTE, YCBCR = 0, 2, 3, 6


class _Unnamed:
    """An open file without name or descriptor: tifffile can't go on to other files that an OME-XML names."""

    def __init__(self, handle):
        self.seek, self.tell, self.read, self.readinto = handle.seek, handle.tell, handle.read, handle.readinto


@contextlib.contextmanager
def open_tiff(handle, name: str, series: int, pyramid_level: int, stack_axis: str):
    """A TIFF as a Source; only headers are read here.

    Raises: MicrographError, or whatever tifffile raises on a damaged file.
    """
    check_chain(handle, name)
    with TiffFile(_Unnamed(handle)) as tif:
        first = tif.pages[0]
        images = ome_images(read_ome_xml(first.description, name))
        everything = tif.series
        if not 1 <= series <= len(everything):
            raise MicrographError(
                f"{name} has {len(everything)} series, {series} was asked for. Choose 1 to {len(everything)}."
            )
        levels = everything[series - 1].levels
        if not 0 <= pyramid_level < len(levels):
            sizes = ", ".join(f"{n}: {_size(level)[0]} x {_size(level)[1]}" for n, level in enumerate(levels))
            raise MicrographError(f"{name} has no pyramid_level {pyramid_level}. Its levels are {sizes}.")
        pixels, channels = images[min(series, len(images)) - 1] if images else (None, [])
        yield _Tiff(tif, name, levels, pyramid_level, stack_axis, pixels, channels).source()


def _size(level) -> tuple[int, int]:
    """Width and height of a series."""
    if "Y" not in level.axes or "X" not in level.axes:
        raise ValueError(f"axes {level.axes!r} without X and Y")
    return level.shape[level.axes.index("X")], level.shape[level.axes.index("Y")]


class _Tiff:
    def __init__(self, tif, name, levels, pyramid_level, stack_axis, pixels, channels):
        self.tif, self.name, self.series = tif, name, levels[pyramid_level]
        self.frame = self.series.keyframe
        self.full_width = _size(levels[0])[0]
        self.pixels, self.ome_channels = pixels, channels
        self.file_size = tif.filehandle.size
        self.notes = []
        if pyramid_level == 0 and len(levels) > 1:
            sizes = ", ".join(f"{n}: {_size(level)[0]} x {_size(level)[1]}" for n, level in enumerate(levels))
            self.notes.append(f"pyramid levels {sizes}")
        depth = self.series.ndim - self.frame.ndim
        self.leading = self.series.shape[:depth]
        if depth < 0 or self.series.shape[depth:] != self.frame.shape:
            raise ValueError(f"pages of {self.frame.shape} do not make up {self.series.shape}")
        self.axes_of = {"channel": [], "z": [], "time": []}
        for place, axis in enumerate(self.series.axes):
            if axis not in "YX":
                self.axes_of[ROLES.get(axis, stack_axis)].append(place)
        self.cached = (None, None)

    def source(self) -> Source:
        frame, series = self.frame, self.series
        width, height = _size(series)
        dtype = np.dtype(series.dtype)
        if dtype.kind not in "buif":
            raise MicrographError(
                f"{self.name} holds {dtype} samples; whole or real numbers are expected. Convert it in Fiji."
            )
        check_planes(self.name, self._count("channel") * self._count("z") * self._count("time"))
        count = self._count("channel")
        photometric = int(frame.photometric)
        sampled = [series.axes[i] for i in self.axes_of["channel"]] == ["S"]
        self.palette = None
        if photometric == PALETTE and frame.colormap is not None and count == 1 and dtype.kind == "u":
            self.palette, dtype = np.asarray(frame.colormap, np.uint16), np.dtype(np.uint16)
        rgb = self.palette is not None or (sampled and count in (3, 4) and photometric in (RGB_PHOTOMETRIC, YCBCR))
        alpha = count - 1 if sampled and count in (2, 4) and set(frame.extrasamples) & {1, 2} else None
        self.inverted = photometric == MINISWHITE and dtype.kind in "bu"
        self.read_bytes = 0
        size = from_tiff(self.tif, self.tif.pages[0], self.pixels, self.notes)
        return Source(
            name=self.name,
            format="OME-TIFF" if self.pixels else "ImageJ TIFF" if self.tif.is_imagej else "TIFF",
            width=width,
            height=height,
            dtype=np.dtype(np.uint8) if dtype.kind == "b" else dtype,
            read=self.read,
            channels=list(RGB) if rgb else self._channels(count - (alpha is not None)),
            depths=self._count("z"),
            times=self._count("time"),
            rgb=rgb,
            alpha=alpha,
            bits=self._bits(dtype),
            axes=series.axes,
            shape=tuple(series.shape),
            pixel_size=size,
            level_scale=self.full_width / width,
            notes=self.notes,
        )

    def read(self, channel: int, time: int, depth: int) -> np.ndarray:
        """One plane, (height, width). Raises ValueError where the file ends early or holds something else."""
        index = [0] * self.series.ndim
        for role, number in (("channel", 0 if self.palette is not None else channel), ("z", depth), ("time", time)):
            places = self.axes_of[role]
            shape = tuple(self.series.shape[i] for i in places)
            for place, value in zip(places, np.unravel_index(number, shape) if places else (), strict=True):
                index[place] = int(value)
        split = len(self.leading)
        page = int(np.ravel_multi_index(tuple(index[:split]), self.leading)) if split else 0
        pixels = self._page(page)
        axes = self.series.axes[split:]
        plane = pixels[tuple(slice(None) if axis in "YX" else at for axis, at in zip(axes, index[split:], strict=True))]
        plane = plane.T if axes.index("Y") > axes.index("X") else plane
        if plane.dtype.kind == "b":
            plane = plane.astype(np.uint8)
        if self.palette is not None:
            return self.palette[channel][np.minimum(plane, self.palette.shape[1] - 1)]
        if self.inverted:
            return (1 if self.frame.dtype.kind == "b" else np.iinfo(plane.dtype).max) - plane
        return plane

    def _page(self, number: int) -> np.ndarray:
        if self.cached[0] == number:
            return self.cached[1]
        frame = self.frame
        self.read_bytes += frame.nbytes
        check_read(self.name, self.read_bytes)
        start = self.series.dataoffset if frame.is_final else None
        if start is not None:
            pixels = self._contiguous(start + number * frame.nbytes)
        else:
            page = self.series[number]
            if page is None:
                self._note("some planes are in other files or missing, and are black here")
                pixels = np.zeros(frame.shape, frame.dtype)
            else:
                self._check_segments(page)
                pixels = read_page(page)
        self.cached = (number, pixels)
        return pixels

    def _contiguous(self, offset: int) -> np.ndarray:
        frame, file = self.frame, self.tif.filehandle
        self._check_end(offset + frame.nbytes)
        kind = np.dtype(frame.dtype).newbyteorder(self.tif.byteorder)
        file.seek(offset)
        pixels = np.frombuffer(file.read(frame.nbytes), kind)
        return pixels.reshape(frame.shape).astype(kind.newbyteorder("="), copy=False)

    def _check_segments(self, page) -> None:
        """The file must hold the page's segments, and, where it isn't compressed, as many bytes as its size needs."""
        ends = [o + c for o, c in zip(page.dataoffsets, page.databytecounts, strict=False) if c]
        if not ends:
            raise ValueError("a page without data")
        self._check_end(max(ends))
        bits = self.frame.size * self.frame.bitspersample
        if self.frame.compression == 1 and not self.frame.is_subsampled and sum(page.databytecounts) * 8 < bits:
            held, needed = sum(page.databytecounts), bits // 8
            raise MicrographError(
                f"{self.name} declares {self.frame.imagewidth} x {self.frame.imagelength} pixels, {needed:,} bytes a "
                f"page, but holds {held:,}. Its header is wrong: save it again."
            )

    def _check_end(self, end: int) -> None:
        if end > self.file_size:
            raise MicrographError(
                f"{self.name} is cut off: it needs {end:,} bytes and has {self.file_size:,}. Copy or upload it again."
            )

    def _count(self, role: str) -> int:
        count = math.prod(self.series.shape[i] for i in self.axes_of[role])
        return 3 if role == "channel" and getattr(self, "palette", None) is not None else count

    def _bits(self, dtype: np.dtype) -> int | None:
        """Significant bits of whole numbers, where fewer than the type has (a 12-bit camera)."""
        if dtype.kind not in "bu":
            return None
        if dtype.kind == "b":
            return 1
        declared = str((self.pixels or {}).get("SignificantBits", ""))
        bits = int(declared) if declared.isdigit() else (16 if self.palette is not None else self.frame.bitspersample)
        return bits if 1 <= bits <= dtype.itemsize * 8 else dtype.itemsize * 8

    def _channels(self, count: int) -> list[Channel]:
        names = [f"channel {n + 1}" for n in range(count)]
        colours = [None] * count
        if self.ome_channels:
            for n, attributes in enumerate(self.ome_channels[:count]):
                names[n] = attributes.get("Name") or names[n]
                colours[n] = ome_colour(attributes.get("Color"))
        elif self.tif.is_imagej:
            tables = (self.tif.imagej_metadata or {}).get("LUTs") or []
            for n, table in enumerate(tables[:count] if count > 1 else []):
                if getattr(table, "shape", None) == (3, 256):
                    colours[n] = "#{:02x}{:02x}{:02x}".format(*(int(v) for v in table[:, -1]))
        return [Channel(str(n)[:80], c) for n, c in zip(names, colours, strict=True)]

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
