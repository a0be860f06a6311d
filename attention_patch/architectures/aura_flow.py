"""AuraFlow: double, then single blocks, marked as Stable Diffusion 3's are; learnt positions."""

from __future__ import annotations

from .token_architecture import TokenArchitecture


class AuraFlow(TokenArchitecture):
    network_class = "MMDiT"
    models = "AuraFlow"
    stages = {"double": "double_layers", "single": "single_layers"}
    names = "marks"

    @property
    def patch(self) -> int:
        return self.network.patch_size

    @property
    def width(self) -> int:
        return self.network.init_x_linear.out_features
