"""The demo model's autoencoder: a linear patch transform (PCA of 8x8 patches at first) and a convolutional correction.

All convolutions but the last two work at a quarter of the picture's size or less: that makes it quick on a CPU.
"""

from __future__ import annotations

import torch
from torch import nn

FACTOR = 8
PATCH = 3 * FACTOR * FACTOR
LATENT_CHANNELS = 16
FINE, COARSE = 64, 128  # widths at 1/4 and 1/8; a file's decoder may be wider


class Residual(nn.Module):
    """x + a small correction of two 3x3 convolutions; (B, width, h, w) -> the same."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(nn.functional.silu(self.first(nn.functional.silu(x))))


class PatchAutoencoder(nn.Module):
    """encode: (B, 3, H, W) in -1..1 -> (B, 16, H/8, W/8) of about unit spread; decode is the way back.

    The interface is that of ComfyUI's autoencoders, so comfy.sd.VAE takes it as its first_stage_model.
    """

    def __init__(self, latent_channels: int = LATENT_CHANNELS, decoder_widths: tuple[int, int] = (FINE, COARSE)):
        super().__init__()
        fine, coarse = decoder_widths
        self.to_latent = nn.Conv2d(PATCH, latent_channels, 1)
        self.to_patch = nn.Conv2d(latent_channels, PATCH, 1)
        self.encoder = nn.Sequential(
            *(nn.PixelUnshuffle(4), nn.Conv2d(48, FINE, 3, padding=1), Residual(FINE), Residual(FINE)),
            *(nn.PixelUnshuffle(2), nn.Conv2d(4 * FINE, COARSE, 1)),
            *(Residual(COARSE), Residual(COARSE), nn.Conv2d(COARSE, latent_channels, 3, padding=1)),
        )
        self.decoder = nn.Sequential(
            *(nn.Conv2d(latent_channels, coarse, 3, padding=1), Residual(coarse), Residual(coarse), Residual(coarse)),
            *(nn.Conv2d(coarse, 4 * fine, 1), nn.PixelShuffle(2), Residual(fine), Residual(fine), Residual(fine)),
            *(nn.Conv2d(fine, 48, 3, padding=1), nn.PixelShuffle(4)),
        )
        self.smooth = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 3, 3, padding=1))

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.to_latent(nn.functional.pixel_unshuffle(pictures, FACTOR)) + self.encoder(pictures)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        x = nn.functional.pixel_shuffle(self.to_patch(latents), FACTOR) + self.decoder(latents)
        return x + self.smooth(x)


def decoder_widths(state: dict[str, torch.Tensor]) -> tuple[int, int]:
    """(fine, coarse) widths of the decoder that a PatchAutoencoder's weights are of."""
    return state["decoder.9.weight"].shape[1], state["decoder.0.weight"].shape[0]
