"""AdaIN that leaves a content's even background even."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .adain import precise, restyled, spatial_mean, spatial_statistics, spatial_std


def background_adain(
    content: torch.Tensor,
    style: torch.Tensor,
    background: torch.Tensor,
    whole: torch.Tensor | None = None,
    background_of_whole: torch.Tensor | None = None,
) -> torch.Tensor:
    """AdaIN whose spread is measured off a background w, and which does not stretch the grain of that background:

        (x - mean_c) g + mean_s - w (x - mean_w) (g - min(g, 1)),   g = std_s / std_c

    mean_w: of the background. std_c: at least the distance from mean_c of what is not background, since a large even
    ground beside a few cells would be stretched to the style's spread. The mean is the style's, as with `adain`.

    Args:
        content, style, whole: see `adain`. background: (B or 1, 1, H', W') in 0..1, see `flat_background`, on any grid
            over the content; background_of_whole: the same over the whole.
    Returns:
        (B, C, ..., H, W) in the content's dtype, computed in float32. `adain` where there is no background.
    Source: this repository.
    """
    x, y, of = precise(content), precise(style), precise(content if whole is None else whole)
    here = _on(x, background)
    there = here if whole is None else _on(of, background_of_whole)
    mean_c, std_c = spatial_statistics(of)
    shown = 1 - there
    off = spatial_mean((of - mean_c).square() * shown) / spatial_mean(shown).clamp(min=1e-6)
    std_c = torch.maximum(std_c, off.sqrt())
    mean_s, std_s = spatial_mean(y), spatial_std(y)
    mean_w = spatial_mean(of * there) / spatial_mean(there).clamp(min=1e-6)
    gain = std_s / std_c.masked_fill(std_c == 0, torch.inf)
    stretched = here * (x - mean_w) * (gain - 1).clamp(min=0)
    return (restyled(x, mean_c, std_c, mean_s, std_s) - stretched).to(content.dtype)


def _on(x: torch.Tensor, background: torch.Tensor) -> torch.Tensor:
    """(B or 1, 1, ..., H, W): the background on the grid of x (B, C, ..., H, W)."""
    found = F.interpolate(background.to(x), x.shape[-2:], mode="area")
    return found.reshape(len(found), *[1] * (x.ndim - 3), *x.shape[-2:])
