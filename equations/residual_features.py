"""Residual features of the content, for a layout that is held beyond what queries do."""

from __future__ import annotations

import torch


def mix_residual(h: torch.Tensor, h_content: torch.Tensor, strength: float) -> torch.Tensor:
    """What a residual block puts out, moved towards what it put out for the content.

    Args:
        h: (B, channels, h, w) of the sampled image. h_content: the same shape, of the content at this noise level.
        strength: 0 leaves h alone, 1 is plug-and-play's replacement.
    Source: Tumanyan et al. 2023 (plug-and-play), section 4.1.
    """
    return torch.lerp(h, h_content, strength)
