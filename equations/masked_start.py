"""The noise from which masked sampling starts at an inverted latent."""

from __future__ import annotations

import math

import torch

from .noise_path import NoisePath


def masked_start_noise(
    x: torch.Tensor, clean: torch.Tensor, sigma: float, path: NoisePath, sigma_max: float = math.inf
) -> torch.Tensor:
    """Noise with which a sampler that computes x = signal * z0 + sigma * noise starts at x and holds z0 outside a mask.

    Args:
        x: (B, C, H, W), the inverted latent at `sigma`. clean: (B or 1, C, H, W), z0; both in the model's own scale.
        sigma: the first noise level, > 0. path: gives the signal at sigma. sigma_max: where ComfyUI multiplies the
            noise by sqrt(1 + sigma^2) instead of sigma, for models that it does so for.
    Returns:
        (B, C, H, W).
    """
    noise = (x - path.signal(sigma) * clean) / sigma
    if sigma > sigma_max * (1 - 1e-5):
        noise = noise * sigma / (1 + sigma**2) ** 0.5
    return noise
