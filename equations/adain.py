"""AdaIN of the initial latent: the content's noise takes the style's mean and spread."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..common.pairing import paired_count

# a spread below this share of the values themselves is rounding: float32 has 1.2e-7
_FLAT = 1e-5
_ROUNDING = 1e-6


def pair_batches(content: torch.Tensor, style: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, ...) and (B', ...) repeated to one count: n contents x 1 style, n x n pairwise, 1 x n.

    Raises: ValueError for any other two counts.
    """
    count = paired_count(content.shape[0], style.shape[0], "contents", "styles")
    return content.expand(count, *content.shape[1:]), style.expand(count, *style.shape[1:])


def adain(content: torch.Tensor, style: torch.Tensor, whole: torch.Tensor | None = None) -> torch.Tensor:
    """(x_c - mean_c) / std_c * std_s + mean_s, per image and channel over height and width only.

    Args:
        content: (B, C, ..., H, W); style: (B or 1, C, ..., H', W'), any other size.
        whole: (B or 1, C, ..., H", W"), what content is a piece of and whose mean and spread count as the content's;
            the content itself where None.
    Returns:
        (B, C, ..., H, W) in the content's dtype, computed in float32. A channel without spread becomes the style's
        mean: one whose spread is below 1e-5 of its values, which is rounding.

    >>> content, style = torch.tensor([[[[0.0, 2.0]]]]), torch.tensor([[[[5.0, 5.5]]]])
    >>> adain(content, style)
    tensor([[[[5.0000, 5.5000]]]])
    >>> adain(torch.full((1, 1, 4, 4), 0.3), style).unique()
    tensor([5.2500])

    Source: Huang and Belongie 2017, equation 8; StyleID (Chung et al. 2024), section 4.3. The authors' code adds 1e-4
        to the content's standard deviation; nothing is added here.
    """
    x, y = precise(content), precise(style)
    mean_c, std_c = spatial_statistics(x if whole is None else precise(whole))
    return restyled(x, mean_c, std_c, spatial_mean(y), spatial_std(y)).to(content.dtype)


def patch_adain(content: torch.Tensor, style: torch.Tensor, patch_size: int) -> torch.Tensor:
    """AdaIN with statistics of patches instead of the whole image, blended between patch centres so no seam shows.

    The style is divided into as many patches as the content, whatever its size, so that a patch takes its statistics
    from the same relative place of the style.

    Args:
        content: (B, C, H, W); style: (B, C, H', W').
        patch_size: side of a content patch in latent pixels (8 image pixels each for SD), >= 1. One patch that covers
            the image is the global AdaIN.
    Returns:
        (B, C, H, W) in the content's dtype, computed in float32. Where a patch and those around it have no spread, the
        result is the mean of the style's.
    Source: Kim et al. 2024, patchified AdaIN (doi 10.32604/cmescs.2024.056079).
    """
    height, width = content.shape[-2:]
    grid = (max(1, -(-height // patch_size)), max(1, -(-width // patch_size)))
    if grid == (1, 1):
        return adain(content, style)
    x, y = precise(content), precise(style)
    mean_c, std_c = (_spread(s, (height, width)) for s in _patch_statistics(x, grid))
    mean_s, std_s = (_spread(s, (height, width)) for s in _patch_statistics(y, grid))
    return restyled(x, mean_c, std_c, mean_s, std_s).to(content.dtype)


SPACE = (-2, -1)


def precise(x: torch.Tensor) -> torch.Tensor:
    """x of any shape in float32, or as it is in float64: sums and squares of half precision overflow."""
    return x if x.dtype == torch.float64 else x.float()


def spatial_mean(x: torch.Tensor) -> torch.Tensor:
    """(..., H, W) to (..., 1, 1)."""
    return x.mean(SPACE, keepdim=True)


def spatial_statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(mean, spread) of (..., H, W), (..., 1, 1) each; a spread that is rounding is 0."""
    mean, std = spatial_mean(x), spatial_std(x)
    return mean, std.masked_fill(std <= _FLAT * spatial_mean(x.square()).sqrt(), 0.0)


def spatial_std(x: torch.Tensor) -> torch.Tensor:
    """(..., H, W) to (..., 1, 1), with Bessel's correction as in the authors' code; 0 for a single pixel."""
    several = x.shape[-2] * x.shape[-1] > 1
    return x.std(SPACE, keepdim=True, correction=int(several))


def restyled(x, mean_c, std_c, mean_s, std_s) -> torch.Tensor:
    """(x - mean_c) / std_c * std_s + mean_s, and mean_s where std_c is 0."""
    return (x - mean_c) / std_c.masked_fill(std_c == 0, torch.inf) * std_s + mean_s


def _patch_statistics(x: torch.Tensor, grid: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    mean = F.adaptive_avg_pool2d(x, grid)
    # second moment about the image's mean: fewer digits are lost than with E[x^2] alone
    centre = spatial_mean(x)
    moment = F.adaptive_avg_pool2d((x - centre) ** 2, grid)
    variance = moment - (mean - centre) ** 2
    # the difference of two moments is known to the rounding of x times that of x - centre
    size, offset = F.adaptive_avg_pool2d(x.square(), grid).sqrt(), moment.sqrt()
    rounding = _ROUNDING * offset * (size + offset) + (_FLAT * size) ** 2
    variance = variance.masked_fill(variance <= rounding, 0.0)
    count = (x.shape[-2] / grid[0]) * (x.shape[-1] / grid[1])
    bessel = count / (count - 1) if count > 1 else 1.0
    return mean, (variance * bessel).sqrt()


def _spread(statistics: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(statistics, size=size, mode="bilinear", align_corners=False)
