"""Anima, on Cosmos-Predict2's network: in each block self-attention of the image, then cross-attention."""

from __future__ import annotations

from ...equations.rotary import Rotary
from .token_architecture import TokenArchitecture

_THETA = 10000.0  # ComfyUI's position embedding has it as a number, not as an attribute


class Anima(TokenArchitecture):
    network_class = "Anima"
    models = "Anima"
    stages = {"block": "blocks"}
    order = "image"
    names = "count"  # its blocks say which one runs in newer ComfyUIs alone
    crossed = True

    @property
    def patch(self) -> int:
        return self.network.patch_spatial

    @property
    def width(self) -> int:
        return self.network.model_channels

    @property
    def rotary(self) -> Rotary:
        position = self.network.pos_embedder
        axes = (
            (position.dim_temporal_range, position.t_ntk_factor),
            (position.dim_spatial_range, position.h_ntk_factor),
            (position.dim_spatial_range, position.w_ntk_factor),
        )
        frequencies = (tuple((_THETA * ntk) ** -float(share) for share in shares) for shares, ntk in axes)
        return Rotary(tuple(frequencies), halves=True)
