"""The demo model's latent space, as ComfyUI wants to know it."""

from __future__ import annotations

import comfy.latent_formats
import torch


class CellStyleDemoLatents(comfy.latent_formats.LatentFormat):
    """16 channels, a factor of 8. The VAE's latents minus their mean, over their spread, are what the UNet sees."""

    latent_channels = 16

    def __init__(self, mean: torch.Tensor, std: torch.Tensor, rgb_factors: torch.Tensor, rgb_bias: torch.Tensor):
        """mean, std (16,); rgb_factors (16, 3) and rgb_bias (3,) give the live preview's colours in -1..1."""
        self.mean = mean.float().view(1, -1, 1, 1)
        self.std = std.float().view(1, -1, 1, 1)
        self.latent_rgb_factors = rgb_factors.float().tolist()
        self.latent_rgb_factors_bias = rgb_bias.float().tolist()

    def process_in(self, latent: torch.Tensor) -> torch.Tensor:
        return (latent - self.mean.to(latent)) / self.std.to(latent)

    def process_out(self, latent: torch.Tensor) -> torch.Tensor:
        return latent * self.std.to(latent) + self.mean.to(latent)
