"""A microscopy file to pictures: read, project, stretch, colour, fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .canvas import Fit, fit, plan
from .channel_colours import choose_colours, shown_as
from .choices import choose_channels, choose_planes
from .contrast import percentile_limits, stretch, type_limits
from .describe import describe
from .errors import MicrographError
from .limits import check_channels, check_kept, check_read
from .luts import composite
from .open_file import open_source
from .projection import PROJECTIONS, project
from .source import Source

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
        most, cut_off = choices.max_frames, source.cut_off
        picked = choose_channels(choices.channels, source)
        check_channels(name, len(picked))
        depths = choose_planes(choices.z, choices.z_index, source.depths, "z", name, most, cut_off)
        times = choose_planes(choices.time, choices.time_index, source.times, "time", name, most, cut_off)
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
    """(frames, height, width) of a channel in the file's type: time outside, z inside. Missing planes are no part of a
    projection."""

    def planes_of(moments, levels):
        planes = (source.read(channel, time, depth) for time in moments for depth in levels)
        return (plane for plane in planes if plane is not None)

    def one(moments, levels):
        along, mode = (levels, choices.z) if choices.z in PROJECTIONS else (moments, choices.time)
        if choices.z in PROJECTIONS and choices.time in PROJECTIONS:
            folded = (project(planes_of([time], levels), choices.z) for time in moments)
            return project((plane for plane in folded if plane is not None), choices.time)
        return project(planes_of(moments, levels), mode if len(along) > 1 else "max")

    groups = [(times, depths)]
    if choices.time not in PROJECTIONS:
        groups = [([time], levels) for time in times for _, levels in groups]
    if choices.z not in PROJECTIONS:
        groups = [(moments, [depth]) for moments, _ in groups for depth in depths]
    made = [one(*group) for group in groups]
    absent = [group for group, plane in zip(groups, made, strict=True) if plane is None]
    if len(absent) == len(made):
        raise MicrographError(
            f"{source.name} does not hold what was asked for (time {absent[0][0][0] + 1}, depth "
            f"{absent[0][1][0] + 1}): it is in another file, or missing. Choose other planes, or save the stack as one "
            "file."
        )
    if absent:
        source.note(f"{len(absent)} of {len(made)} frames are not in this file and are black")
    black = next(np.zeros_like(plane) for plane in made if plane is not None) if absent else None
    return np.stack([black if plane is None else plane for plane in made])


def _show(source, choices, picked, channels, opacity, way: Fit, times, depths) -> Loaded:
    colour = source.rgb and picked == [0, 1, 2]
    limits, notes = _limits(source, choices, channels, picked, colour)
    names = ["red", "green", "blue"]
    if not colour:
        names, told = choose_colours(choices.pseudo_colour, [source.channels[n] for n in picked])
        notes += told
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
    shown = [
        {
            "number": n + 1,
            "name": source.channels[n].name,
            "colour": "rgb" if colour else shown_as(name),
            "low": limit[0],
            "high": limit[1],
        }
        for n, name, limit in zip(picked, names, limits, strict=True)
    ]
    metadata = describe(source, choices, shown, times, depths, way, notes)
    return Loaded(images, valid, metadata, metadata["pixel_size_um"] or 0.0)


def _limits(source: Source, choices: Choices, channels: list[np.ndarray], picked: list[int], colour: bool):
    """(low, high) a channel over all frames, one for the three of a colour picture, and notes on odd values."""
    notes, bits = [], source.bits
    for channel, name in zip(channels, [source.channels[n].name for n in picked], strict=True):
        broken = int(channel.size - np.isfinite(channel).sum()) if channel.dtype.kind == "f" else 0
        if broken:
            notes.append(f"{broken} samples of {name} are not finite and are black")
        if bits and bits < source.dtype.itemsize * 8 and channel.max() > 2**bits - 1:
            notes.append(f"{name} holds values beyond the {bits} bits that the file declares")
            bits = None
    whole = type_limits(source.dtype, bits)
    as_stored = source.dtype == np.uint8 and bits in (None, 8)
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
