"""Residual features of the content, which hold its layout more firmly than queries do."""

from __future__ import annotations

import torch


def mix_residual(h: torch.Tensor, h_content: torch.Tensor, strength: float) -> torch.Tensor:
    """The output of a residual block, moved towards its output for the content.

    Args:
        h: (B, channels, h, w) of the sampled image. h_content: the same shape, of the content at this noise level.
        strength: 0 leaves h alone, 1 is plug-and-play's replacement.
    Source: Tumanyan et al. 2023 (plug-and-play), section 4.1.
    """
    return torch.lerp(h, h_content, strength)
