"""NextDiT, of Lumina 2 and Z-Image: text, image and padding in one sequence; the image stands behind the caption."""

from __future__ import annotations

import math

from ...equations.rotary import Rotary
from .token_architecture import TokenArchitecture


class NextDiT(TokenArchitecture):
    network_class = "NextDiT"
    models = "Z-Image, Lumina 2"
    stages = {"double": "layers"}
    text_shift = (1, 0, 0)

    @property
    def patch(self) -> int:
        return self.network.patch_size

    @property
    def width(self) -> int:
        return self.network.dim

    @property
    def padded_to(self) -> int:
        return getattr(self.network, "pad_tokens_multiple", None) or 1

    @property
    def rotary(self) -> Rotary:
        return Rotary.of(self.network.axes_dims, self.network.rope_embedder.theta)

    def text_end(self, texts: int) -> int:
        return math.ceil(texts / self.padded_to) * self.padded_to
