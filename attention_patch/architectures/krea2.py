"""Krea 2: single blocks over text and image; its latents have a frame axis of one."""

from __future__ import annotations

from ...equations.rotary import Rotary
from .token_architecture import TokenArchitecture


class Krea2(TokenArchitecture):
    network_class = "SingleStreamDiT"
    models = "Krea 2"
    stages = {"single": "blocks"}

    @property
    def patch(self) -> int:
        return self.network.patch

    @property
    def width(self) -> int:
        return self.network.first.out_features

    @property
    def rotary(self) -> Rotary:
        return Rotary.of(self.network.pe_embedder.axes_dim, self.network.pe_embedder.theta)
