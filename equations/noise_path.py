"""How a latent lies between a picture and noise, as far as inversion and sampling need to know it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class NoisePath:
    """x = signal(sigma) * x0 + sigma * eps, in ComfyUI's coordinates.

    squared_norm: sigma -> the squared norm of x for x0 of unit spread (`sigma_data` where it differs).
    clock: sigma -> the variable over which the prediction (x - D) / sigma is nearly a straight line.
    signal: sigma -> the share of the picture in x.
    """

    squared_norm: Callable[[float], float]
    clock: Callable[[float], float]
    signal: Callable[[float], float]

    def ratio(self, sigma_from: float, sigma_to: float) -> float:
        """Factor that gives a latent at `sigma_from` the norm that it would have at `sigma_to`."""
        return (self.squared_norm(sigma_to) / self.squared_norm(sigma_from)) ** 0.5


def variance_preserving(sigma_data: float = 1.0) -> NoisePath:
    """x = x0 + sigma * eps, for models that see x / sqrt(sigma^2 + sigma_data^2) (SD 1.x to SDXL).

    What they see is cos(phi) x0 + sin(phi) eps, and the clock is that angle, phi = atan(sigma / sigma_data). It is
    finite at both ends, and eps_hat is closer to a straight line over it than over sigma or its logarithm.
    """
    return NoisePath(
        squared_norm=lambda sigma: sigma_data**2 + sigma**2,
        clock=lambda sigma: math.atan(sigma / sigma_data),
        signal=lambda sigma: 1.0,
    )


FLOW = NoisePath(
    squared_norm=lambda sigma: (1 - sigma) ** 2 + sigma**2,
    clock=lambda sigma: sigma,
    signal=lambda sigma: 1 - sigma,
)
