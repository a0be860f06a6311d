"""Features fitted to the batch and to the token grid of the sampled image."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def match_batch(features: torch.Tensor, chunk: int, chunks: int) -> torch.Tensor:
    """(b, N, C) with b of 1 or `chunk`, as (chunk * chunks, N, C): ComfyUI stacks the conditionings along the batch."""
    if features.shape[0] != chunk:
        features = features.expand(chunk, -1, -1)
    return features.repeat(chunks, 1, 1) if chunks > 1 else features


def match_grid(features: torch.Tensor, grid: tuple[int, int], wanted: tuple[int, int]) -> torch.Tensor:
    """(b, h * w, C) resampled on its (h, w) grid to the sampled image's (h', w')."""
    if grid == wanted:
        return features
    image = features.transpose(1, 2).unflatten(2, grid)
    image = F.interpolate(image.float(), size=wanted, mode="bilinear", align_corners=False, antialias=True)
    return image.flatten(2).transpose(1, 2).to(features.dtype)
