"""Planes of a TIFF series, one at a time, as gray, colour or channels."""

from __future__ import annotations

import math

import numpy as np

from .limits import check_read
from .orientation import upright
from .tiff_samples import Samples
from .tiff_segments import check_end, check_segments

ROLES = {"C": "channel", "E": "channel", "S": "channel", "Z": "z", "T": "time"}


class TiffPlanes:
    """Which axes of a series are channels, depths and moments, and how a plane is read.

    Args:
        tif, series: the open tifffile.TiffFile and one level of one of its series.
        samples: what the page's samples mean.
        stack_axis: what an axis without a meaning is: "z", "time" or "channel".
        turned: the orientation tag.
        notes: gets what is found on the way.
    Raises: ValueError where pages do not make up the series.
    """

    def __init__(self, tif, series, name: str, samples: Samples, stack_axis: str, turned: int, notes: list[str]):
        self.tif, self.series, self.name, self.samples = tif, series, name, samples
        self.turned, self.notes = turned, notes
        self.frame = series.keyframe
        depth = series.ndim - self.frame.ndim
        if depth < 0 or series.shape[depth:] != self.frame.shape:
            raise ValueError(f"pages of {self.frame.shape} do not make up {series.shape}")
        self.leading = series.shape[:depth]
        inner = self.frame.axes
        self.sample_place = inner.index("S") if "S" in inner else None
        # axes of a page after its samples went last, as places in the series
        self.inner = [depth + n for n, axis in enumerate(inner) if axis != "S"]
        self.axes_of: dict[str, list[int]] = {"channel": [], "z": [], "time": []}
        for place, axis in enumerate(series.axes):
            if place >= depth and inner[place - depth] in "YXS":
                continue
            self.axes_of[ROLES.get(axis, stack_axis)].append(place)
        self._read = 0
        self._cached: tuple[int | None, np.ndarray | None] = (None, None)

    def count(self, role: str) -> int:
        """Planes along "z" or "time"; channels without the opacity."""
        planes = math.prod(self.series.shape[place] for place in self.axes_of[role])
        return planes * self.samples.count if role == "channel" else planes

    @property
    def single_colour(self) -> bool:
        """Whether red, green and blue are all the channels there are, beside extra samples."""
        return self.samples.rgb and self.count("channel") == self.samples.count

    def read(self, channel: int, time: int, depth: int) -> np.ndarray | None:
        """One plane, (height, width), upright; None where the file does not hold it.

        Args:
            channel: counts samples innermost; the number of channels reads the opacity.
        Raises: ValueError where the file ends early or holds something else.
        """
        opacity = channel == self.count("channel")
        outer, sample = (0, self.samples.count) if opacity else divmod(channel, self.samples.count)
        index = [0] * self.series.ndim
        for role, number in (("channel", outer), ("z", depth), ("time", time)):
            places = self.axes_of[role]
            shape = tuple(self.series.shape[place] for place in places)
            for place, value in zip(places, np.unravel_index(number, shape) if places else (), strict=True):
                index[place] = int(value)
        split = len(self.leading)
        page = int(np.ravel_multi_index(tuple(index[:split]), self.leading)) if split else 0
        pixels = self._page(page)
        if pixels is None:
            return None
        axes = [self.frame.axes[place - split] for place in self.inner]
        picked = [slice(None) if axis in "YX" else index[place] for axis, place in zip(axes, self.inner, strict=True)]
        plane = pixels[(*picked, sample)]
        plane = plane.T if axes.index("Y") > axes.index("X") else plane
        return upright(plane, self.turned)

    def _page(self, number: int) -> np.ndarray | None:
        """(..., samples) of a page after its conversion."""
        if self._cached[0] == number:
            return self._cached[1]
        frame = self.frame
        self._read += frame.nbytes
        check_read(self.name, self._read)
        start = self.series.dataoffset if frame.is_final else None
        if start is not None:
            pixels = self._contiguous(start + number * frame.nbytes)
        else:
            page = self.series[number]
            if page is None:
                self._note("some planes are in other files or missing")
                self._cached = (number, None)
                return None
            if check_segments(page, frame, self.name, self.tif.filehandle.size):
                self._note("some strips or tiles are empty in the file")
            pixels = page.asarray()
            if pixels.shape != frame.shape:
                raise ValueError(f"decoded to {pixels.shape} instead of {frame.shape}")
        pixels = pixels.view(np.uint8) if pixels.dtype.kind == "b" else pixels
        pixels = pixels[..., None] if self.sample_place is None else np.moveaxis(pixels, self.sample_place, -1)
        pixels = self.samples.convert(pixels)
        self._cached = (number, pixels)
        return pixels

    def _contiguous(self, offset: int) -> np.ndarray:
        frame, file = self.frame, self.tif.filehandle
        check_end(offset + frame.nbytes, self.name, file.size)
        kind = np.dtype(frame.dtype).newbyteorder(self.tif.byteorder)
        file.seek(offset)
        pixels = np.frombuffer(file.read(frame.nbytes), kind)
        return pixels.reshape(frame.shape).astype(kind.newbyteorder("="), copy=False)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
