"""AdaIN of clean latents, for the two starts that work on them.

The noise-preserving start works inside an inverted latent, whose noise stays as it is. The start before inversion
inverts what it made: the inverted noise of a flat field is what leads the network to that very field, and under another
colour it leads to a field with worms in it; inverting the recoloured latent gives the noise that belongs to it.
"""

from __future__ import annotations

import torch

from .adain import precise, spatial_mean, spatial_std


def bounded_adain(content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """AdaIN that never raises a contrast: (z - mean) * min(1, std_s / std) + mean_s, per image and channel.

    Args:
        content: (B, C, ..., H, W), a clean latent; style: (B or 1, C, ..., H', W'), another, of any size.
    Returns:
        (B, C, ..., H, W) in the content's dtype, with the style's mean and at most its spread.
    """
    z, y = precise(content), precise(style)
    mean_c, mean_s, std_c, std_s = spatial_mean(z), spatial_mean(y), spatial_std(z), spatial_std(y)
    gain = torch.where(std_s < std_c, std_s / std_c, 1.0)
    return ((z - mean_c) * gain + mean_s).to(content.dtype)


def noise_preserving_start(
    x: torch.Tensor, clean: torch.Tensor, restyled: torch.Tensor, signal: float = 1.0
) -> torch.Tensor:
    """x + signal * (restyled - clean): another picture in the same noise.

    x = signal * z + noise, with the clean latent z. At the first level nearly all of x's spread is noise, and where the
    content is flat the inverted noise has a spread of its own (0.76 to 1.15 of white noise). The paper's AdaIN of x
    scales that noise, and the sampler draws what it added as speckle; here only the signal in x is changed.

    Args:
        x: (B, C, ..., H, W), the inverted latent. clean: z; restyled: what z is to become, both of x's shape and scale.
        signal: share of z in x, 0 .. 1: 1 for variance-preserving models in ComfyUI's scale (x = z + sigma * noise),
            1 - sigma for flow models.
    Returns:
        (B, C, ..., H, W) in x's dtype; x where restyled equals clean.

    >>> z = torch.tensor([[[[0.0, 2.0]]]])
    >>> noise_preserving_start(z + 0.5, z, bounded_adain(z, torch.tensor([[[[5.0, 6.0]]]])))
    tensor([[[[5.5000, 6.5000]]]])
    """
    return (precise(x) + signal * (precise(restyled) - precise(clean))).to(x.dtype)
