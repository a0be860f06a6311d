"""AdaIN of the initial latent: the content's noise takes the style's mean and spread."""

from __future__ import annotations

import torch
import torch.nn.functional as F

_SMALLEST_STD = 1e-8


def pair_batches(content: torch.Tensor, style: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """n contents x 1 style, n x n pairwise, 1 x n. Raises ValueError for any other two counts."""
    n, m = content.shape[0], style.shape[0]
    if n != m and 1 not in (n, m):
        raise ValueError(f"{n} contents and {m} styles cannot be paired; use equal counts, or one of either.")
    count = max(n, m)
    return content.expand(count, *content.shape[1:]), style.expand(count, *style.shape[1:])


def adain(content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """(x_c - mean_c) / std_c * std_s + mean_s, per image and channel over height and width only.

    Args:
        content: (B, C, ..., H, W); style: (B or 1, C, ..., H', W'), any other size.
    Returns:
        (B, C, ..., H, W) in the content's dtype. A channel without spread becomes the style's mean.
    Source: Huang and Belongie 2017, equation 8; StyleID (Chung et al. 2024), section 4.3.
    """
    dims = (-2, -1)
    mean_c, std_c = content.mean(dims, keepdim=True), _std(content)
    mean_s, std_s = style.mean(dims, keepdim=True), _std(style)
    return (content - mean_c) / std_c.clamp_min(_SMALLEST_STD) * std_s + mean_s


def patch_adain(content: torch.Tensor, style: torch.Tensor, patch_size: int) -> torch.Tensor:
    """AdaIN with statistics of patches instead of the whole image, blended between patch centres so no seam shows.

    The style is divided into as many patches as the content, whatever its size, so that a patch takes its statistics
    from the same relative place of the style.

    Args:
        content: (B, C, H, W); style: (B, C, H', W').
        patch_size: side of a content patch in latent pixels (8 image pixels each for SD), >= 1. One patch that covers
            the image is the global AdaIN.
    Source: Kim et al. 2024, patchified AdaIN (doi 10.32604/cmescs.2024.056079).
    """
    height, width = content.shape[-2:]
    grid = (max(1, -(-height // patch_size)), max(1, -(-width // patch_size)))
    if grid == (1, 1):
        return adain(content, style)
    mean_c, std_c = (_spread(s, (height, width)) for s in _patch_statistics(content, grid))
    mean_s, std_s = (_spread(s, (height, width)) for s in _patch_statistics(style, grid))
    return (content - mean_c) / std_c.clamp_min(_SMALLEST_STD) * std_s + mean_s


def _std(x: torch.Tensor) -> torch.Tensor:
    unbiased = x.shape[-2] * x.shape[-1] > 1
    return x.std((-2, -1), keepdim=True, correction=int(unbiased))


def _patch_statistics(x: torch.Tensor, grid: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    mean = F.adaptive_avg_pool2d(x, grid)
    # second moment about the image's mean: fewer digits are lost than with E[x^2] alone
    centre = x.mean((-2, -1), keepdim=True)
    variance = F.adaptive_avg_pool2d((x - centre) ** 2, grid) - (mean - centre) ** 2
    count = (x.shape[-2] / grid[0]) * (x.shape[-1] / grid[1])
    bessel = count / (count - 1) if count > 1 else 1.0
    return mean, (variance.clamp_min(0) * bessel).sqrt()


def _spread(statistics: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(statistics, size=size, mode="bilinear", align_corners=False)
