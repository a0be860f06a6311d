"""What a loaded micrograph says about itself, as plain JSON data."""

from __future__ import annotations

from .canvas import Fit, to_metadata
from .source import Source


def describe(source: Source, choices, shown: list[dict], times: list[int], depths: list[int], way: Fit, notes) -> dict:
    """The metadata of a picture or batch.

    Args:
        choices: load.Choices.
        shown: one entry a channel shown.
        times, depths: indices that were read.
    Returns: `pixel_size_um` is that of the output, None where unknown; `frames` has one entry a picture of a batch, in
        its order, and `interval_s` and `spacing_um` between neighbours in the file, None where it does not say.
    """
    # a lower pyramid level has coarser pixels; so has a smaller picture
    scale = source.level_scale * way.source_width / way.scaled_width
    size = source.pixel_size
    return {
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
            "pixel_size": {"x": size.x, "y": size.y, "z": size.z, "unit": "\u00b5m", "source": size.source},
        },
        "shown": {
            "channels": shown,
            "z": [n + 1 for n in depths] if choices.z in ("single", "frames") else choices.z,
            "time": [n + 1 for n in times] if choices.time in ("single", "frames") else choices.time,
            "series": choices.series,
            "pyramid_level": choices.pyramid_level,
            "inverted": choices.invert,
        },
        "frames": _frames(choices, times, depths),
        "interval_s": source.interval if source.times > 1 else None,
        "spacing_um": size.z if source.depths > 1 else None,
        "transform": to_metadata(way),
        "pixel_size_um": size.x * scale if size.x else None,
        "notes": [*source.notes, *notes],
    }


def _frames(choices, times: list[int], depths: list[int]) -> list[dict]:
    """The moment and depth of each picture, counted from 1, or how they were projected; time outside, z inside."""
    moments = [choices.time] if choices.time in ("max", "mean", "min") else [n + 1 for n in times]
    planes = [choices.z] if choices.z in ("max", "mean", "min") else [n + 1 for n in depths]
    return [{"time": time, "z": plane} for time in moments for plane in planes]
