"""Zeiss CZI, one plane at a time, mosaics put together, by Zeiss' own pylibCZIrw."""

from __future__ import annotations

import contextlib
import math

import numpy as np

from ..errors import MicrographError
from ..lengths import micrometres
from ..limits import check_kept
from ..microscope_tags import seconds
from ..source import Channel, PixelSize, Source
from ..tiff_channels import rgb_channels
from ..xml_guard import parse_xml
from .grid import Grid, choose_series, needed

SMALLEST = 256
"""Pixels of the shorter side below which no further pyramid level is offered."""
TYPES = {"Gray8": np.uint8, "Gray16": np.uint16, "Gray32Float": np.float32, "Bgr24": np.uint8, "Bgr48": np.uint16,
         "Bgr96Float": np.float32}  # fmt: skip


@contextlib.contextmanager
def open_czi(path, name: str, series: int, pyramid_level: int, stack_axis: str):
    """A scene of a CZI file as a Source; each pyramid level halves it.

    Raises: MicrographError, or what pylibCZIrw raises on a damaged file.
    """
    czi = needed("pylibCZIrw.czi", "pylibCZIrw", name, "a Zeiss CZI file")
    with czi.open_czi(str(path)) as document:
        scenes = sorted(document.scenes_bounding_rectangle)
        scene = scenes[choose_series(max(1, len(scenes)), series, name)] if scenes else None
        box = document.total_bounding_box
        place = document.scenes_bounding_rectangle[scene] if scenes else document.total_bounding_rectangle
        level = _levels(place.w, place.h)
        if not 0 <= pyramid_level < len(level):
            sizes = ", ".join(f"{n}: {w} x {h}" for n, (w, h) in enumerate(level))
            raise MicrographError(f"{name} has no pyramid_level {pyramid_level}. Its levels are {sizes}.")
        width, height = level[pyramid_level]
        kinds = set(document.pixel_types.values())
        if not kinds <= set(TYPES):
            raise MicrographError(f"{name} holds pixels of the kind {', '.join(map(str, kinds))}. Export it as TIFF.")
        rgb = any(kind.startswith("Bgr") for kind in kinds)
        if len({TYPES[kind] for kind in kinds}) > 1 or (rgb and len(document.pixel_types) > 1):
            raise MicrographError(
                f"{name} holds channels of several kinds ({', '.join(sorted(kinds))}). Export it as TIFF."
            )
        check_kept(name, width, height, 3 if rgb else 1)
        sizes = {axis: box[axis][1] - box[axis][0] for axis in "TZC" if axis in box}
        grid = Grid(sizes, sizes.values(), name)
        dtype = np.dtype(TYPES[next(iter(kinds))])
        cached: dict = {}

        def read(channel: int, time: int, depth: int) -> np.ndarray:
            index = grid.index(0 if rgb else channel, time, depth)
            if index not in cached:
                cached.clear()
                plane = {axis: box[axis][0] + n for axis, n in zip(grid.axes, index, strict=True)}
                pixels = document.read(plane=plane, scene=scene, zoom=0.5**pyramid_level if pyramid_level else None)
                cached[index] = _fitted(pixels, width, height, name)
            return cached[index][..., 2 - channel if rgb else 0]  # blue comes first

        root = parse_xml(document.raw_metadata, name)
        source = Source(
            name=name,
            format="CZI",
            width=width,
            height=height,
            dtype=dtype,
            read=read,
            channels=rgb_channels() if rgb else _channels(root, grid.count("channel")),
            depths=grid.count("z"),
            times=grid.count("time"),
            rgb=rgb,
            bits=_bits(root, dtype),
            axes=f"{''.join(grid.axes)}YX{'S' if rgb else ''}",
            shape=(*grid.shape, height, width),
            pixel_size=_pixel_size(root),
            interval=seconds(_text(root, ".//Dimensions/T/Positions/Interval/Increment")),
            level_scale=place.w / width,
        )
        if len(scenes) > 1:
            places = document.scenes_bounding_rectangle
            source.note(
                "series " + ", ".join(f"{n + 1}: {places[s].w} x {places[s].h}" for n, s in enumerate(scenes[:8]))
            )
        if len(level) > 1 and not pyramid_level:
            source.note("pyramid levels " + ", ".join(f"{n}: {w} x {h}" for n, (w, h) in enumerate(level)))
        others = [axis for axis in box if axis not in "TZCXYSM" and box[axis][1] - box[axis][0] > 1]
        if others:
            source.note(f"only the first of the axes {', '.join(others)} is shown")
        yield source


def _levels(width: int, height: int) -> list[tuple[int, int]]:
    """Sizes, each half of the one before."""
    sizes = [(width, height)]
    while min(sizes[-1]) // 2 >= SMALLEST:
        sizes.append(tuple(math.floor(side * 0.5 ** len(sizes)) for side in (width, height)))
    return sizes


def _fitted(pixels: np.ndarray, width: int, height: int, name: str) -> np.ndarray:
    """Exactly the size announced: a reader may round the other way by a pixel."""
    if pixels.ndim != 3 or abs(pixels.shape[0] - height) > 1 or abs(pixels.shape[1] - width) > 1:
        raise MicrographError(f"{name} decodes to {pixels.shape} instead of {width} x {height}. Export it as TIFF.")
    pixels = pixels[:height, :width]
    right, below = width - pixels.shape[1], height - pixels.shape[0]
    return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge") if right or below else pixels


def _text(root, where: str) -> str | None:
    element = root.find(where) if root is not None else None
    return None if element is None else element.text


def _pixel_size(root) -> PixelSize:
    """Scaling of the metadata, in metres."""
    x, y, z = (micrometres(_text(root, f".//Scaling/Items/Distance[@Id='{axis}']/Value"), "m") for axis in "XYZ")
    return PixelSize(x or y, y or x, z, "CZI Scaling") if x or y else PixelSize()


def _bits(root, dtype: np.dtype) -> int | None:
    if dtype.kind != "u":
        return None
    text, whole = _text(root, ".//Image/ComponentBitCount") or "", dtype.itemsize * 8
    return int(text) if text.isdigit() and 1 <= int(text) <= whole else whole


def _channels(root, count: int) -> list[Channel]:
    """Names of the acquisition, colours of the display (`#AARRGGBB`)."""
    made = [Channel(f"channel {n + 1}") for n in range(count)]
    if root is not None:
        for channel, element in zip(made, root.iterfind(".//Image/Dimensions/Channels/Channel"), strict=False):
            channel.name = (element.get("Name") or "").strip()[:80] or channel.name
        for channel, element in zip(made, root.iterfind(".//DisplaySetting/Channels/Channel"), strict=False):
            colour = (element.findtext("Color") or "").strip().lower()
            if len(colour) == 9 and colour[0] == "#" and not set(colour[1:]) - set("0123456789abcdef"):
                channel.colour = f"#{colour[3:]}" if int(colour[3:], 16) else None
    return made
