"""Pseudo-colour: one number in 0..1 to a colour.

`fire` follows the control points of ImageJ's lookup table of that name; `viridis` and `inferno` follow those of
matplotlib's maps (van der Walt and Smith 2015, CC0), evenly lit from dark to bright.
"""

from __future__ import annotations

import numpy as np

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


def apply_lut(values: np.ndarray, name: str | np.ndarray) -> np.ndarray:
    """Colours of values in 0..1.

    Args:
        values: any shape.
        name: a key of COLOURS or MAPS, #rrggbb, or a table (entries, 3) in 0..1 from black's to white's place.
    Returns: float32 of shape (*values.shape, 3), in 0..1. Single colours are exact multiples of the value.
    """
    if not isinstance(name, str) or name in MAPS:
        points = np.array([rgb_of(word) for word in MAPS[name].split()], np.float32) if isinstance(name, str) else name
        at = np.linspace(0, 1, len(points))
        return np.stack([np.interp(values, at, points[:, n]) for n in range(3)], -1).astype(np.float32)
    return values.astype(np.float32)[..., None] * rgb_of(COLOURS.get(name, name))


def composite(channels: list[np.ndarray], names: list[str | np.ndarray]) -> np.ndarray:
    """Channels (height, width) in 0..1, coloured and added like light; (height, width, 3) float32 in 0..1."""
    total = apply_lut(channels[0], names[0])
    for values, name in zip(channels[1:], names[1:], strict=True):
        total += apply_lut(values, name)
    return np.clip(total, 0, 1, out=total)


def rgb_of(word: str) -> np.ndarray:
    """(3,) red, green and blue in 0..1 of #rrggbb, with or without the #."""
    word = word.lstrip("#")
    return np.array([int(word[n : n + 2], 16) for n in (0, 2, 4)], np.float32) / np.float32(255)
