"""A microscopy file to pictures: read, project, stretch, colour, fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .canvas import Fit, fit, plan, to_metadata
from .choices import choose_channels, choose_planes
from .contrast import percentile_limits, stretch, type_limits
from .errors import MicrographError
from .limits import check_kept, check_read
from .luts import colour_names, composite
from .projection import PROJECTIONS, project
from .source import Source, open_source

PLANES = ("max", "mean", "min", "single", "frames")
CONTRASTS = ("auto", "percentile", "full range")
STACK_AXES = ("z", "time", "channel")


@dataclass(frozen=True)
class Choices:
    """What to show of a file, and how; the node's inputs of the same names explain each."""

    channels: str = "auto"
    z: str = "max"
    z_index: int = 0
    time: str = "single"
    time_index: int = 1
    contrast: str = "auto"
    low: float = 0.1
    high: float = 99.9
    pseudo_colour: str = "auto"
    invert: bool = False
    size: str = "keep"
    longest_side: int = 1024
    multiple: int = 8
    pad_fill: str = "reflect"
    series: int = 1
    pyramid_level: int = 0
    stack_axis: str = "z"
    max_frames: int = 64


@dataclass(frozen=True)
class Loaded:
    """images (frames, height, width, 3) and valid (frames, height, width), float32 in 0..1; valid is 0 on padding.

    `pixel_size` is in micrometres per output pixel, 0 where the file does not say. `metadata` is plain JSON data.
    """

    images: np.ndarray
    valid: np.ndarray
    metadata: dict
    pixel_size: float


def load_micrograph(path: str | Path, name: str, choices: Choices | None = None) -> Loaded:
    """Reads the chosen planes of a file, and only those.

    Args:
        path: where it is. The caller answers for the place; see nodes/load_micrograph.py.
        name: how to call it in messages.
    Raises: MicrographError, a ValueError: what is wrong with the file or a choice, and what to do.
    """
    choices = choices or Choices()
    with open_source(path, name, choices.series, choices.pyramid_level, choices.stack_axis) as source:
        picked = choose_channels(choices.channels, source)
        depths = choose_planes(choices.z, choices.z_index, source.depths, "z", name, choices.max_frames)
        times = choose_planes(choices.time, choices.time_index, source.times, "time", name, choices.max_frames)
        frames = (len(times) if choices.time == "frames" else 1) * (len(depths) if choices.z == "frames" else 1)
        way = plan(source.width, source.height, choices.size, choices.longest_side, choices.multiple)
        alpha = source.alpha is not None and (source.rgb or len(source.channels) == 1)
        check_kept(name, source.width, source.height, frames * (len(picked) + alpha))
        check_kept(name, way.output_width, way.output_height, frames * 3)
        bytes_a_plane = source.width * source.height * source.dtype.itemsize
        check_read(name, bytes_a_plane * len(picked) * len(times) * len(depths))
        channels = [_stack(source, channel, times, depths, choices) for channel in picked]
        opacity = _stack(source, source.alpha, times, depths, choices) if alpha else None
        return _show(source, choices, picked, channels, opacity, way, times, depths)


def _stack(source: Source, channel: int, times: list[int], depths: list[int], choices: Choices) -> np.ndarray:
    """(frames, height, width) of a channel in the file's type: time outside, z inside."""

    def along_z(time):
        planes = (source.read(channel, time, depth) for depth in depths)
        return [project(planes, choices.z)] if choices.z in PROJECTIONS else list(planes)

    if choices.time not in PROJECTIONS:
        return np.stack([plane for time in times for plane in along_z(time)])
    if choices.z in PROJECTIONS:
        return project((along_z(time)[0] for time in times), choices.time)[None]
    return np.stack([project((source.read(channel, t, d) for t in times), choices.time) for d in depths])


def _show(source, choices, picked, channels, opacity, way: Fit, times, depths) -> Loaded:
    colour = source.rgb and picked == list(range(len(source.channels)))[:3] and len(picked) == 3
    limits, notes = _limits(source, choices, channels, colour)
    own = [source.channels[n].colour for n in picked]
    names = ["red", "green", "blue"] if colour else colour_names(choices.pseudo_colour, own)
    frames = len(channels[0])
    images = np.empty((frames, way.output_height, way.output_width, 3), np.float32)
    valid = np.zeros((frames, way.output_height, way.output_width), np.float32)
    for n in range(frames):
        values = [stretch(channel[n], *limit) for channel, limit in zip(channels, limits, strict=True)]
        image = np.stack(values, -1) if colour else composite(values, names)
        images[n] = fit(1 - image if choices.invert else image, way, choices.pad_fill)
        inside = np.ones((way.source_height, way.source_width, 1), np.float32)
        if opacity is not None:
            inside[..., 0] = stretch(opacity[n], *type_limits(source.dtype, source.bits))
        valid[n] = fit(inside, way, "black")[..., 0]
    # a lower pyramid level has coarser pixels; so has a smaller picture
    scale = source.level_scale * way.source_width / way.scaled_width
    size = source.pixel_size
    pixel_size = size.x * scale if size.x else 0.0
    metadata = {
        "cellstyle_micrograph": 1,
        "file": source.name,
        "format": source.format,
        "original": {
            "width": source.width,
            "height": source.height,
            "dtype": str(source.dtype),
            "bits": source.bits,
            "axes": source.axes,
            "shape": [int(n) for n in source.shape],
            "channels": [channel.name for channel in source.channels],
            "depths": source.depths,
            "times": source.times,
            "pixel_size": {"x": size.x, "y": size.y, "z": size.z, "unit": "µm", "source": size.source},
        },
        "shown": {
            "channels": [
                {
                    "number": n + 1,
                    "name": source.channels[n].name,
                    "colour": "rgb" if colour else name,
                    "low": limit[0],
                    "high": limit[1],
                }
                for n, name, limit in zip(picked, names, limits, strict=True)
            ],
            "z": [n + 1 for n in depths] if choices.z in ("single", "frames") else choices.z,
            "time": [n + 1 for n in times] if choices.time in ("single", "frames") else choices.time,
            "series": choices.series,
            "pyramid_level": choices.pyramid_level,
            "inverted": choices.invert,
        },
        "transform": to_metadata(way),
        "pixel_size_um": pixel_size or None,
        "notes": [*source.notes, *notes],
    }
    return Loaded(images, valid, metadata, pixel_size)


def _limits(source: Source, choices: Choices, channels: list[np.ndarray], colour: bool):
    """(low, high) a channel over all frames, one for the three of a colour picture, and notes on odd values."""
    notes = []
    for channel, name in zip(channels, [c.name for c in source.channels], strict=False):
        broken = int(channel.size - np.isfinite(channel).sum()) if channel.dtype.kind == "f" else 0
        if broken:
            notes.append(f"{broken} samples of {name} are not finite and are black")
    whole = type_limits(source.dtype, source.bits)
    as_stored = source.dtype == np.uint8 and source.bits in (None, 8)
    if choices.contrast == "full range" or (choices.contrast == "auto" and as_stored):
        return [whole] * len(channels), notes
    groups = [np.stack(channels)] if colour else channels
    found = [percentile_limits(group, choices.low, choices.high) for group in groups]
    if all(limit is None for limit in found):
        raise MicrographError(
            f"{source.name} holds no finite value in what was chosen. Choose another channel or plane."
        )
    found = [(0.0, 0.0) if limit is None else limit for limit in found]
    return (found * 3 if colour else found), notes
