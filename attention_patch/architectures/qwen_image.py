"""Qwen-Image and MageFlow: double blocks of text and image. Qwen-Image's latents have a frame axis of one."""

from __future__ import annotations

from ...equations.rotary import Rotary
from .token_architecture import TokenArchitecture


class QwenImage(TokenArchitecture):
    network_class = "QwenImageTransformer2DModel"
    models = "Qwen-Image"
    stages = {"double": "transformer_blocks"}

    @property
    def patch(self) -> int:
        return self.network.patch_size

    @property
    def width(self) -> int:
        return self.network.inner_dim

    @property
    def rotary(self) -> Rotary:
        return Rotary.of(self.network.pe_embedder.axes_dim, self.network.pe_embedder.theta)


class MageFlow(QwenImage):
    """A token is one latent pixel."""

    network_class = "MageFlowTransformer2DModel"
    models = "MageFlow"

    @property
    def patch(self) -> int:
        return 1
