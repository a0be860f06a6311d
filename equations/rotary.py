"""Rotary positions of keys and queries that are already rotated: moving them, and weighing their frequencies.

RoPE rotates pairs of channels by position times frequency. Rotations add up, so a rotated key can be moved by an offset
without knowing its position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

STYLE_POSITIONS = ("own", "moved", "untwist")
"""What `style_position` may be; the first leaves the style's keys as they are."""

UNTWIST_HIGH = 0.5
"""Weight that "untwist" gives the highest rotary frequency; the lowest has 1, those between lie on a line."""


@dataclass(frozen=True)
class Rotary:
    """A network's rotary embedding.

    frequencies: for each axis of the positions, radians a step for each of its pairs of channels, highest first.
    halves: pairs are (i, i + half) of the rotated channels instead of (2 i, 2 i + 1).
    Channels behind twice the number of frequencies are not rotated.
    """

    frequencies: tuple[tuple[float, ...], ...]
    halves: bool = False

    @classmethod
    def of(cls, axes: Sequence[int], theta: float) -> Rotary:
        """axes: channels of each axis, even; theta: base of the frequencies.

        Source: Su et al. 2021 (RoFormer), section 3.3."""
        return cls(tuple(tuple(theta ** (-2 * i / dim) for i in range(dim // 2)) for dim in axes))


def turn(
    rotary: Rotary, offset: Sequence[float] | torch.Tensor, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines, (pairs,) float32, of a move by `offset`, steps on each axis of `rotary.frequencies`.

    offset: (axes,) for all tokens, or (N, axes), one for each: then (N, pairs).
    """
    offset = torch.as_tensor(offset, dtype=torch.float64)
    along = zip(offset.split(1, -1), rotary.frequencies, strict=True)
    angle = torch.cat([step * torch.tensor(axis, dtype=torch.float64) for step, axis in along], -1)
    return angle.cos().to(device, torch.float32), angle.sin().to(device, torch.float32)


def move(x: torch.Tensor, rotary: Rotary, by: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotated keys or queries (..., D), or (..., N, D), as they would be that much further on. by: from `turn`."""
    cos, sin = by
    turned, rest = x[..., : 2 * len(cos)].float(), x[..., 2 * len(cos) :]
    if rotary.halves:
        a, b = turned.chunk(2, -1)
        turned = torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
    else:
        a, b = turned.unflatten(-1, (-1, 2)).unbind(-1)
        turned = torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)
    return torch.cat([turned.to(x.dtype), rest], -1)


def untwist_weights(rotary: Rotary, like: torch.Tensor, high: float = UNTWIST_HIGH) -> torch.Tensor:
    """(rotated channels,) for `untwist`, of the dtype and on the device of `like`.

    high: weight of each axis' highest frequency; its lowest keeps 1.
    """
    weights: list[float] = []
    for axis in rotary.frequencies:
        last = max(1, len(axis) - 1)
        weights += [high + (1 - high) * i / last for i in range(len(axis))]
    w = torch.tensor(weights, dtype=like.dtype, device=like.device)
    return torch.cat([w, w]) if rotary.halves else w.repeat_interleave(2)


def untwist(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Rotated keys (..., D) with less of their high frequencies, which tie each place to the same place of the style.

    weights: from `untwist_weights`.
    Source: after Untwisting RoPE (arXiv 2602.05013), which weighs the frequencies of shared keys.
    """
    return torch.cat([x[..., : len(weights)] * weights, x[..., len(weights) :]], -1)
