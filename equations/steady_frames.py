"""Steady frames: where the source of a styled time-lapse stands still, the result keeps what it showed before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from kornia.filters import gaussian_blur2d

HOLDS, FOLLOWS = 1.5, 2.5
"""Times the noise: a change up to the first is none, one from the second on is motion."""

REACH = 8
"""Pixels around what moves that follow too: a style's strokes reach as far as a pixel of the latent."""

SIGMA = 2.0
"""Blur in pixels under which changes are compared: noise becomes even, motion does not."""

ROUNDING = 0.5 / 255
"""Least noise: a rounding step."""

TONES, LEAST, PAIRS, SAMPLE = 8, 64, 16, 1 << 18
"""Brightness is told apart in so many bins of at least so many pixels; from at most so many pairs of frames, and about
so many pixels of each."""


@dataclass(frozen=True)
class SourceNoise:
    """Mean change from frame to frame by noise alone: levels (K,) at brightnesses tones (K,), rising."""

    tones: torch.Tensor
    levels: torch.Tensor

    def at(self, tone: torch.Tensor) -> torch.Tensor:
        """The level at each brightness, on straight lines between the tones."""
        tones, levels = self.tones.to(tone), self.levels.to(tone)
        if len(tones) == 1:
            return levels.expand_as(tone)
        right = torch.bucketize(tone, tones).clamp(1, len(tones) - 1)
        left = right - 1
        share = ((tone - tones[left]) / (tones[right] - tones[left])).clamp(0, 1)
        return torch.lerp(levels[left], levels[right], share)


def source_noise(source: torch.Tensor) -> SourceNoise:
    """The noise of frames, from the frames.

    A camera's noise grows with the light, so it is taken for each brightness: the lower quartile of the changes there,
    since more than a quarter of the places of any brightness stand still.

    Args: source: (F, H, W, C) in 0..1, F >= 2.
    """
    count = min(PAIRS, len(source) - 1)
    stride = max(1, round((source.shape[1] * source.shape[2] / SAMPLE) ** 0.5))
    tones, changes = [], []
    for n in torch.linspace(1, len(source) - 1, count).round().long().tolist():
        tones.append(_tone(source[n])[::stride, ::stride].flatten())
        changes.append(_change(source[n], source[n - 1])[::stride, ::stride].flatten())
    tone, change = torch.cat(tones), torch.cat(changes)
    bins = (tone.clamp(0, 1) * TONES).long().clamp(max=TONES - 1)
    chosen = [bins == n for n in range(TONES)]
    chosen = [where for where in chosen if int(where.sum()) >= LEAST] or [torch.ones_like(bins, dtype=torch.bool)]
    levels = [change[where].kthvalue(1 + int(where.sum()) // 4).values for where in chosen]
    return SourceNoise(torch.stack([tone[where].mean() for where in chosen]), torch.stack(levels).clamp(min=ROUNDING))


def steady_frames(
    frames: torch.Tensor, source: torch.Tensor, strength: float, noise: SourceNoise
) -> Iterator[torch.Tensor]:
    """Each frame y of the result, blended with the one before it as it was given out: r = y + w (r' - y).

    w is `strength` where the source x stands still, 0 where it moves. Whether it moves is told against the source
    blended by the same weights, s = x + w (s' - x), so that a drift too slow to be seen from frame to frame adds up.

    Args:
        frames: (F, H, W, C) styled. source: (F, H, W, C') in 0..1, what they were made from.
        strength: 0 leaves the frames alone, 1 holds still places for ever.
        noise: see `source_noise`.
    Returns:
        (H, W, C) for each frame, in order; the first as it is.
    Source: this repository; motion-adaptive temporal averaging, as in video noise reduction.

    >>> still = torch.zeros(2, 4, 4, 1)
    >>> noise = SourceNoise(torch.zeros(1), torch.full((1,), 0.01))
    >>> list(steady_frames(torch.stack([still[0], still[0] + 1]), still, 0.75, noise))[1].unique()
    tensor([0.2500])
    """
    held_x, held_y = source[0], frames[0]
    for x, y in zip(source, frames, strict=True):
        weight = strength * _stillness(x, held_x, noise)[..., None]
        held_x, held_y = torch.lerp(x, held_x, weight.to(x)), torch.lerp(y, held_y, weight.to(y))
        yield held_y


def _stillness(x: torch.Tensor, before: torch.Tensor, noise: SourceNoise) -> torch.Tensor:
    """(H, W): 1 where nothing moves, 0 at and around motion."""
    # the quieter of both brightnesses: where a thing comes or goes it counts as the ground, whose noise is known best
    level = torch.minimum(noise.at(_tone(x)), noise.at(_tone(before)))
    moved = (_change(x, before) / level)[None, None]
    moved = F.max_pool2d(moved, 2 * REACH + 1, stride=1, padding=REACH)[0, 0]
    return _blurred(((FOLLOWS - moved) / (FOLLOWS - HOLDS)).clamp(0, 1))


def _tone(x: torch.Tensor) -> torch.Tensor:
    """(H, W), the brightness of the strongest channel."""
    return _blurred(x.amax(-1).float())


def _change(x: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """(H, W), of the channel that changes most."""
    return _blurred((x - before).abs().amax(-1).float())


def _blurred(x: torch.Tensor) -> torch.Tensor:
    """A Gaussian of SIGMA pixels over (H, W)."""
    size = 2 * round(3 * SIGMA) + 1
    return gaussian_blur2d(x[None, None], (size, size), (SIGMA, SIGMA), "replicate")[0, 0]
