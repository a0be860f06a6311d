"""The dials of an injection, with ranges in sigma."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..equations.rotary import STYLE_POSITIONS
from ..features.layer_key import LayerKey


@dataclass(frozen=True)
class SigmaDials:
    """The dials, with ranges in sigma. gamma, gamma_end: 0 .. 1. tau > 0. The injection acts where sigma_start >= sigma
    >= sigma_end; the content's queries are kept only within query_sigmas (start, end), its residual features down to
    feature_sigma_end. layer_gamma: factors on gamma. trained_area: latent pixels that the model was trained at, 0 to
    leave tau alone. adain_sigmas: (start, end) of the per-step AdaIN.
    flat_background: 0 .. 1 of what keeps the content's even background even.
    style_position (one of STYLE_POSITIONS), qk_adain (0 .. 1): of transformers, see `TokenInjection`."""

    gamma: float = 0.75
    tau: float = 1.5
    gamma_curve: str = "constant"
    gamma_end: float = 0.75
    layers: tuple[LayerKey, ...] = ()
    sigma_start: float = float("inf")
    sigma_end: float = 0.0
    query_sigmas: tuple[float, float] = (float("inf"), 0.0)
    layer_gamma: Mapping[LayerKey, float] = field(default_factory=dict)
    trained_area: float = 0.0
    adain_rate: float = 0.0
    adain_sigmas: tuple[float, float] = (float("inf"), 0.0)
    feature_strength: float = 0.0
    feature_sigma_end: float = 0.0
    style_position: str = STYLE_POSITIONS[0]
    qk_adain: float = 0.0
    flat_background: float = 0.0
