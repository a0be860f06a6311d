"""The noise levels of flow-matching models."""

from __future__ import annotations

import torch

FLOW_TOP = 0.999
"""The noisiest level of an inversion on the flow path. ComfyUI divides an unfinished LATENT by 1 - sigma, which is 0
at 1."""


def flow_sigmas(scheduled: torch.Tensor, top: float = FLOW_TOP) -> torch.Tensor:
    """A flow scheduler's levels with those above `top` brought down to it.

    Args:
        scheduled: (n + 1,) descending from at most 1 to 0.
    Returns:
        (n + 1,) strictly descending; where several levels lay above `top` they are spread from there to the next.
    """
    above = int((scheduled > top).sum())
    if not above:
        return scheduled
    below = float(scheduled[above]) if above < len(scheduled) else 0.0
    lowered = torch.linspace(top, below, above + 1, dtype=torch.float64)[:above].to(scheduled)
    return torch.cat([lowered, scheduled[above:]])
