"""AdaIN of the predicted clean latent at every step of the sampling."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..common.pairing import check_images
from .adain import adain
from .background_adain import background_adain
from .style_blend import branch_weights


def step_adain(
    denoised: torch.Tensor,
    styles: Sequence[torch.Tensor],
    weights: Sequence[float],
    masks: Sequence[torch.Tensor | None],
    rate: float,
    background: torch.Tensor | None = None,
) -> torch.Tensor:
    """The predicted clean latent moved towards the styles' statistics.

    Args:
        denoised: (B, C, ..., H, W), the model's D at this step.
        styles: clean latents, (B or 1, C, H', W') each. weights, masks: of each style, see `branch_weights`.
        rate: 0 leaves D alone, 1 is the full AdaIN. background: of D, see `background_adain`; None for none.
    Raises:
        ValueError: styles and latents that do not pair, 1 or B to B.
    Returns:
        (B, C, H, W). Where the weights and masks sum to less than 1, the rest is D itself.
    Source: per-step latent AdaIN of STRDP and StyleGuide, on D so that it fits any sampler.
    """
    height, width = denoised.shape[-2:]
    shares, rest = branch_weights(weights, masks, (height, width), len(denoised), denoised.device, denoised.dtype)

    def on_latent(share: torch.Tensor) -> torch.Tensor:
        """(B, h * w, 1) weights of places as (B, 1, ..., h, w)."""
        return share.transpose(1, 2).reshape(len(share), *[1] * (denoised.ndim - 3), height, width)

    result = denoised * on_latent(rest)
    for clean, share in zip(styles, shares, strict=True):
        check_images("style", len(clean), len(denoised))
        clean = clean.to(denoised.device, denoised.dtype)
        moved = adain(denoised, clean) if background is None else background_adain(denoised, clean, background)
        result = result + moved * on_latent(share)
    return torch.lerp(denoised, result, rate)
