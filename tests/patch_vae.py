"""A VAE that says plainly what is in a picture: the mean colour of each 8 x 8 pixels, and how busy they are."""

from __future__ import annotations

import torch
import torch.nn.functional as F

SCALE = 20.0  # of a latent to a pixel


class PatchVae:
    """What nodes use of ComfyUI's VAE. A field with little grain has an even latent, as with a real one."""

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, H, W, 3) in 0..1 to (B, 4, h, w)."""
        x = pixels.movedim(-1, 1) - 0.5
        mean = F.avg_pool2d(x, 8)
        busy = (F.avg_pool2d(x.square(), 8) - mean.square()).clamp(min=0).mean(1, keepdim=True).sqrt()
        return SCALE * torch.cat([mean, busy], 1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """(B, 4, h, w) to (B, H, W, 3), the mean colours."""
        return (F.interpolate(latents[:, :3] / SCALE, scale_factor=8.0) + 0.5).clamp(0, 1).movedim(1, -1)
