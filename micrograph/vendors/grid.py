"""Named axes of a vendor's array as channels, moments and depths."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence

import numpy as np

from ..errors import MicrographError
from ..limits import check_planes

CHANNEL, TIME = ("C", "\u03bb", "\u039b"), ("T",)


def needed(module: str, package: str, name: str, kind: str):
    """The module. Raises MicrographError that names the package to install."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MicrographError(
            f"{name} is {kind}, which needs the package {package}. Run `pip install {package}` in ComfyUI's "
            "environment, or save the file as TIFF."
        ) from None


def choose_series(count: int, series: int, name: str) -> int:
    """The index of a series that is counted from 1. Raises MicrographError."""
    if count < 1:
        raise MicrographError(f"{name} holds no picture. Choose another file.")
    if not 1 <= series <= count:
        raise MicrographError(f"{name} has {count} series, {series} was asked for. Choose 1 to {count}.")
    return series - 1


def only_level(pyramid_level: int, name: str) -> None:
    """Raises MicrographError where a level is asked for of a format without any."""
    if pyramid_level:
        raise MicrographError(f"{name} has no pyramid_level {pyramid_level}: only its full resolution, 0, is read.")


class Grid:
    """Axes that lead to a plane: C and Leica's two lambdas are channels, T is time, every other is a depth.

    Args:
        axes, shape: of the leading axes, without those of the picture.
    """

    def __init__(self, axes: Sequence[str], shape: Sequence[int], name: str):
        self.axes, self.shape = tuple(axes), tuple(int(n) for n in shape)
        roles = ["channel" if a in CHANNEL else "time" if a in TIME else "z" for a in self.axes]
        self._places = {role: [n for n, r in enumerate(roles) if r == role] for role in ("channel", "time", "z")}
        check_planes(name, math.prod(self.shape))

    def count(self, role: str) -> int:
        """Planes along "channel", "time" or "z"."""
        return math.prod(self.shape[n] for n in self._places[role])

    def index(self, channel: int, time: int, depth: int) -> tuple[int, ...]:
        """One number an axis, in their order."""
        index = [0] * len(self.axes)
        for role, number in (("channel", channel), ("time", time), ("z", depth)):
            places = self._places[role]
            shape = tuple(self.shape[n] for n in places)
            for place, value in zip(places, np.unravel_index(number, shape) if places else (), strict=True):
                index[place] = int(value)
        return tuple(index)
