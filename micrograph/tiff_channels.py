"""Names and colours of a TIFF's channels: OME-XML, ImageJ's lookup tables, palettes."""

from __future__ import annotations

import numpy as np

from .source import Channel
from .tiff_guard import ome_colour

RGB = (("red", "#ff0000"), ("green", "#00ff00"), ("blue", "#0000ff"))


def rgb_channels(extra: int = 0) -> list[Channel]:
    """Red, green and blue, and samples beside them."""
    named = ("extra",) if extra == 1 else (f"extra {n + 1}" for n in range(extra))
    return [*(Channel(*pair) for pair in RGB), *map(Channel, named)]


def named_channels(tif, count: int, ome_channels: list[dict[str, str]]) -> list[Channel]:
    """One a channel, numbered where the file names none.

    Args:
        ome_channels: attributes of the OME-XML's channels, which may hold several samples each.
    """
    made = [Channel(f"channel {n + 1}") for n in range(count)]
    if ome_channels:
        for n, attributes in enumerate(ome_channels[:count]):
            made[n] = Channel(
                attributes.get("Name", "").strip()[:80] or made[n].name, ome_colour(attributes.get("Color"))
            )
    elif tif.is_imagej:
        metadata = tif.imagej_metadata or {}
        for channel, table in zip(made, _tables(metadata.get("LUTs")), strict=False):
            set_table(channel, table)
    return made


def _tables(tables) -> list[np.ndarray]:
    """ImageJ's LUTs: a list of (3, 256), or one alone without a list."""
    if tables is None:
        return []
    return [tables] if getattr(tables, "ndim", 0) == 2 else list(tables)


def set_table(channel: Channel, table) -> None:
    """A (3, entries) table of bytes as the channel's colour, or as its table where it is no even ramp from black."""
    table = np.asarray(table)
    if table.ndim != 2 or len(table) != 3 or table.shape[1] < 2 or not table.any():
        return
    ramp = np.linspace(0, 1, table.shape[1])
    if np.abs(table - table[:, -1:] * ramp).max() <= 1:
        channel.colour = "#{:02x}{:02x}{:02x}".format(*(int(v) for v in table[:, -1]))
    else:
        channel.lut = table.T.astype(np.float32) / 255


def are_red_green_blue(channels: list[Channel]) -> bool:
    """Whether three channels are named as the parts of a colour picture, in this order."""
    names = [channel.name.strip().lower() for channel in channels]
    return names in (["red", "green", "blue"], ["r", "g", "b"])
