"""Where a content is an even background, and how its queries are taken there.

Under style injection an empty background fills with strokes: what the inversion leaves in its noise makes one query
unlike the next, and each finds another part of the style. Queries averaged over the background find one part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F

from .adain import precise, spatial_mean

EVEN = 0.3
"""Local spread, as a share of the picture's, up to which a place is even; at twice that it is not at all."""
ALIKE = 0.3
"""Distance from the background's latent, as a share of the picture's spread, up to which a place is of it."""
REACH = 3
"""Tokens to each side whose queries are averaged."""
_WINDOW, _EDGE = 3, 2  # latents: the side of a neighbourhood, the width of a picture's edge
_LEAST = 0.05  # of the edge has to be even
_FAR, _DEVIATIONS = 0.995, 2.5  # so many deviations from the median lie the farthest places of a full picture
_ROUNDING = 1e-5  # of the values, in float32


class Background(NamedTuple):
    """Of each picture.

    scale: (B, 1, 1, 1), the spread that other distances are shares of. latent: (B, C, 1, 1), the background's. found:
    (B, 1, 1, 1), whether there is one.
    """

    scale: torch.Tensor
    latent: torch.Tensor
    found: torch.Tensor


def flat_background(clean: torch.Tensor, of: Background | None = None) -> torch.Tensor:
    """How far each place of a picture is even background.

    A background is even, and it reaches the picture's edge: its latent is the median of the even places there. What is
    even but of another colour, as the inside of a cell, is none; what has the same colour elsewhere is.

    Args:
        clean: (B, C, ..., H, W), clean latents. of: what they are pieces of, see `background_of`; each of itself where
            None.
    Returns:
        (B, 1, H, W) float32 in 0..1; 0 all over where less than 5 % of the edge is even. A picture of one colour is
        background all over.
    Source: this repository.
    """
    clean = _planes(clean)
    scale, latent, found = of or background_of(clean)
    mean, local = _neighbourhood(clean)
    unlike = (mean - latent).square().mean(1, keepdim=True).sqrt()
    return _within(local, EVEN * scale) * _within(unlike, ALIKE * scale) * found


def background_of(clean: torch.Tensor) -> Background:
    """The background of whole pictures (B, C, ..., H, W).

    One small cell hardly widens the spread of a large field, so the scale is at least the spread of a picture whose
    farthest places lie where this one's do.
    """
    x = _planes(clean)
    spread = x.var((-2, -1), correction=0).mean(1).sqrt()
    median = x.flatten(2).median(2).values[..., None, None]
    far = (x - median).square().mean(1).sqrt().flatten(1)
    far = far.kthvalue(max(1, round(_FAR * far.shape[1]))).values
    rounding = _ROUNDING * x.square().mean((1, 2, 3)).sqrt()
    scale = torch.maximum(torch.maximum(spread, far / _DEVIATIONS), rounding)[:, None, None, None]
    mean, local = _neighbourhood(x)
    even = _within(local, EVEN * scale)[:, 0] > 0.5
    edge = torch.ones(x.shape[-2:], dtype=torch.bool, device=x.device)
    edge[_EDGE:-_EDGE, _EDGE:-_EDGE] = False
    latents, found = [], []
    for means, places in zip(mean, even & edge, strict=True):
        found.append(places.sum() >= _LEAST * edge.sum())
        latents.append(means[:, places if found[-1] else edge].median(1).values)
    return Background(scale, torch.stack(latents)[..., None, None], torch.stack(found)[:, None, None, None])


def flat_queries(
    q_content: torch.Tensor,
    background: torch.Tensor,
    grid: tuple[int, int],
    gamma: float,
    moved: Callable[[torch.Tensor, int], torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(the content's queries, query preservation of each token), so that a background w reads the style as one:

        q_content := q_content + w (mean - q_content),   gamma := gamma + (1 - gamma) w

    mean: of the background's queries among the tokens up to REACH away, each counted by its w.

    Args:
        q_content: (..., h * w, C), or the hidden state before the projection. background: (..., h * w, 1) in 0..1.
        grid: (h, w). gamma: query preservation elsewhere, 0 .. 1.
        moved: for rotated queries: (..., h * w, C) in float32, all to the first token's place by -1, and back by 1.
    Returns:
        (..., h * w, C) and (..., h * w, 1), in the dtype of q_content.
    Source: this repository.
    """
    dtype, q = q_content.dtype, precise(q_content)
    background = background.to(q)
    alike = q if moved is None else moved(q, -1)
    mean = _summed(alike * background, grid) / _summed(background, grid).clamp(min=1e-6)
    if moved is not None:
        mean = moved(mean, 1)
    return torch.lerp(q, mean, background).to(dtype), (gamma + (1 - gamma) * background).to(dtype)


def _planes(x: torch.Tensor) -> torch.Tensor:
    """(B, C, ..., H, W) as (B, C', H, W), precise."""
    return precise(x).flatten(1, -3).contiguous()  # torch's median is wrong along a dimension that was expanded


def _within(x: torch.Tensor, bound: torch.Tensor) -> torch.Tensor:
    """1 up to the bound, 0 from twice the bound on."""
    return (2 - x / bound.clamp(min=1e-12)).clamp(0, 1)


def _neighbourhood(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of the latents around each place, and their spread over all channels, (B, 1, H, W)."""
    around = F.pad(x, [_WINDOW // 2] * 4, mode="replicate")
    mean = F.avg_pool2d(around, _WINDOW, 1)
    # about the image's mean, so that no digits are lost
    centre = spatial_mean(x)
    moment = F.avg_pool2d((around - centre).square(), _WINDOW, 1)
    return mean, (moment - (mean - centre).square()).clamp(min=0).mean(1, keepdim=True).sqrt()


def _summed(x: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """(..., h * w, C) to the sums over the tokens up to REACH away."""
    x = x.unflatten(-2, grid)
    for axis in (-3, -2):
        around = F.pad(x, [0, 0] * (-axis - 1) + [REACH, REACH])
        x = sum(around.narrow(axis, start, x.shape[axis]) for start in range(2 * REACH + 1))
    return x.flatten(-3, -2)
