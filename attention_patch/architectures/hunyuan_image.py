"""HunyuanImage 2.1, not distilled, on HunyuanVideo's network: double, then single blocks."""

from __future__ import annotations

from ...equations.rotary import Rotary
from .token_architecture import TokenArchitecture


class HunyuanImage(TokenArchitecture):
    network_class = "HunyuanVideo"
    models = "HunyuanImage 2.1"
    stages = {"double": "double_blocks", "single": "single_blocks"}

    def not_supported_reasons(self) -> list[str]:
        reasons, name = super().not_supported_reasons(), type(self.model.model).__name__
        if name != "HunyuanImage21":
            reasons.append(
                f"the model is a {name}; of the models on HunyuanVideo's network CellStyle works with HunyuanImage "
                "2.1, which makes pictures, not with video models and refiners."
            )
        elif getattr(self.network, "time_r_in", None) is not None:
            reasons.append(
                "the model is the distilled HunyuanImage 2.1 (mean flow), which predicts the way to the next level "
                "instead of the velocity, so that no inversion can climb it. Load the model that is not distilled."
            )
        return reasons

    @property
    def assumed_guidance(self) -> float | None:
        return 6.0 if self.network.params.guidance_embed else None

    @property
    def patch(self) -> int:
        return self.network.patch_size[-1]

    @property
    def width(self) -> int:
        return self.network.hidden_size

    @property
    def rotary(self) -> Rotary:
        return Rotary.of(self.network.pe_embedder.axes_dim, self.network.pe_embedder.theta)
