"""The paper's attention style injection, before the projections."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def inject_style(
    n: torch.Tensor, n_style: torch.Tensor, n_content: torch.Tensor | None, gamma: float, tau: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(n, context, value) from which to_q, to_k, to_v make the injected attention.

        q = gamma * q_content + (1 - gamma) * q,   k = k_style,   v = v_style,   logits = tau * q k^T / sqrt(d)

    to_q, to_k and to_v have no bias and read the same hidden state n, so the same attention comes from

        n := tau * (gamma * n_content + (1 - gamma) * n),   context := value := n_style

    Args:
        n: (B, N, C) hidden state of the sampled image. n_style: (B, M, C), any number of tokens.
        n_content: (B, N, C), or None where gamma is 0.
        gamma: query preservation, 0 .. 1. tau: attention temperature, > 0; above 1 the attention is sharper.
    Source: StyleID (Chung et al. 2024, arXiv 2312.09008), equations 6 to 8.
    """
    if gamma > 0 and n_content is not None:
        n = torch.lerp(n, n_content, gamma)
    if tau != 1:
        n = n * tau
    return n, n_style, n_style


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
