"""Pseudo-colour: one number in 0..1 to a colour.

`fire` follows the control points of ImageJ's lookup table of that name; `viridis` and `inferno` follow those of
matplotlib's maps (van der Walt and Smith 2015, CC0), evenly lit from dark to bright.
"""

from __future__ import annotations

import re

import numpy as np

from .errors import MicrographError

COLOURS = {
    "gray": "#ffffff",
    "blue": "#0000ff",
    "green": "#00ff00",
    "red": "#ff0000",
    "cyan": "#00ffff",
    "magenta": "#ff00ff",
    "yellow": "#ffff00",
    "orange": "#ff8000",
}
MAPS = {
    "fire": "000000 000057 180096 460af0 7a00e3 a200b5 b8007a cf0f40 e52300 fc5600 ff7500 ff9300 ffaf00 ffcd00 ffea23 "
    "fffca0 ffffff",
    "viridis": "440154 472c7a 3b518b 2c718e 21908d 27ad81 5cc863 aadc32 fde725",
    "inferno": "000004 1f0c48 550f6d 88226a ba3655 e35933 f98c0a f9c932 fcffa4",
}
ALIASES = {"grey": "gray", "grays": "gray", "greys": "gray", "white": "gray"}
PALETTES = {1: ("gray",), 2: ("green", "magenta"), 3: ("blue", "green", "red")}
LONG_PALETTE = ("blue", "green", "red", "magenta", "cyan", "yellow", "orange", "gray")


def colour_names(text: str, own: list[str | None]) -> list[str]:
    """One lookup table a channel, from text such as "green, magenta", "#ff8000" or "auto".

    Args:
        text: names, separated by commas; "auto" (also for single channels) takes the file's own colour, else a palette.
        own: the colours that the file gives, one a channel shown.
    Raises: MicrographError that quotes the word, or names both counts.
    """
    count = len(own)
    palette = PALETTES.get(count) or [LONG_PALETTE[n % len(LONG_PALETTE)] for n in range(count)]
    # a file whose channels all have one colour leaves the choice open
    own = own if count > 1 and len(set(own)) == count else [None] * count
    words = [word.strip().lower() for word in text.split(",") if word.strip()] or ["auto"]
    words = words * count if len(words) == 1 else words
    if len(words) < count:
        raise MicrographError(
            f"pseudo_colour names {len(words)} colours for {count} channels. Name one for each, or auto."
        )
    names = []
    for word, given, usual in zip(words[:count], own, palette, strict=True):
        name = ALIASES.get(word, word)
        name = (given or usual) if name == "auto" else name
        if name not in COLOURS and name not in MAPS and not re.fullmatch("#[0-9a-f]{6}", name):
            raise MicrographError(
                f"pseudo_colour: {word[:40]!r} is not known. Use auto, {', '.join([*COLOURS, *MAPS])} or #rrggbb."
            )
        names.append(name)
    return names


def apply_lut(values: np.ndarray, name: str) -> np.ndarray:
    """Colours of values in 0..1.

    Args:
        values: any shape.
        name: a key of COLOURS or MAPS, or #rrggbb.
    Returns: float32 of shape (*values.shape, 3), in 0..1. Single colours are exact multiples of the value.
    """
    if name in MAPS:
        points = np.array([_rgb(word) for word in MAPS[name].split()], np.float32)
        at = np.linspace(0, 1, len(points))
        return np.stack([np.interp(values, at, points[:, n]) for n in range(3)], -1).astype(np.float32)
    return values.astype(np.float32)[..., None] * _rgb(COLOURS.get(name, name).lstrip("#"))


def composite(channels: list[np.ndarray], names: list[str]) -> np.ndarray:
    """Channels (height, width) in 0..1, coloured and added like light; (height, width, 3) float32 in 0..1."""
    total = apply_lut(channels[0], names[0])
    for values, name in zip(channels[1:], names[1:], strict=True):
        total += apply_lut(values, name)
    return np.clip(total, 0, 1, out=total)


def _rgb(word: str) -> np.ndarray:
    return np.array([int(word[n : n + 2], 16) for n in (0, 2, 4)], np.float32) / np.float32(255)
