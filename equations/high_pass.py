"""High-pass of the content's noise, so that its layout of light and dark gives way and its edges stay."""

from __future__ import annotations

import torch


def high_pass(x: torch.Tensor, amount: float, cutoff: float) -> torch.Tensor:
    """Turns the low frequencies of an inverted latent down.

    Args:
        x: (..., H, W). amount: 0 leaves x as it is, 1 takes the lowest frequencies away; the mean always stays.
        cutoff: where the Gaussian filter has fallen to 61 %, as a fraction of the Nyquist frequency, 0 .. 1.
    Returns:
        (..., H, W) in x's dtype.
    Source: StyleSSP (Xu et al., CVPR 2025), frequency manipulation of the content's inversion latent.
    """
    if amount == 0:
        return x
    height, width = x.shape[-2:]
    fy = torch.fft.fftfreq(height, device=x.device)[:, None] / 0.5
    fx = torch.fft.rfftfreq(width, device=x.device)[None, :] / 0.5
    gain = 1 - amount * torch.exp(-(fy**2 + fx**2) / (2 * cutoff**2))
    gain[0, 0] = 1
    return torch.fft.irfft2(torch.fft.rfft2(x.float()) * gain, s=(height, width)).to(x.dtype)
