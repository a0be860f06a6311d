"""CellStyleLoadDemoModel: the embedded tiny model, so that the whole pack runs with no download."""

from __future__ import annotations

from comfy_api.latest import io

from ..demo_model.load import load_demo_model
from ..node_parts.wire_types import CATEGORY


class CellStyleLoadDemoModel(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleLoadDemoModel",
            display_name="Load Demo Model",
            category=CATEGORY,
            description=(
                "A tiny latent diffusion model inside the node pack, trained from scratch on drawn micrographs and "
                "patterns: try every node at once, with no download. It has Stable Diffusion 1.5's layer numbers. It "
                "is a demonstration, not a substitute for a real checkpoint. MODEL_CARD.md says what it can do."
            ),
            search_aliases=[
                "demo model",
                "tiny model",
                "test model",
                "example checkpoint",
                "load model",
                "no download",
            ],
            inputs=[],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="A UNet in Stable Diffusion 1.5's shape, 8.5 M weights.",
                ),
                io.Conditioning.Output(
                    display_name="conditioning",
                    tooltip="The model's only conditioning, an empty prompt. Use it for positive and negative alike.",
                ),
                io.Vae.Output(
                    display_name="vae", tooltip="Its VAE: 16 latent channels, one latent pixel for 8 x 8 image pixels."
                ),
            ],
        )

    @classmethod
    def execute(cls):
        return io.NodeOutput(*load_demo_model())
