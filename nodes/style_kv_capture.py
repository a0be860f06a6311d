"""StyleKVCapture: the style branch. StyleID (Chung et al. 2024), section 4.1."""

from __future__ import annotations

from comfy_api.latest import io

from ..engine.dials import InversionDials
from ..engine.invert import invert_and_record
from ..features.wire_values import StyleKV
from ..node_parts.inversion_inputs import inversion_inputs
from ..node_parts.preview import preview_of
from ..node_parts.solver_inputs import solver_inputs
from ..node_parts.storage_inputs import precision_input
from ..node_parts.wire_types import CATEGORY, STYLE_KV


class StyleKVCapture(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="StyleKVCapture",
            display_name="Style K/V Capture",
            category=CATEGORY,
            description=(
                "Style branch: walks the style's latent back to noise and records the attention keys and values that "
                "carry its texture and colour."
            ),
            search_aliases=["style capture", "style features", "attention keys values", "StyleID", "style transfer"],
            inputs=[
                *inversion_inputs(
                    "The style image through VAE Encode. Its size may differ from the content's.",
                    " Use the same number as in DDIM Invert.",
                ),
                precision_input(),
                *solver_inputs(),
            ],
            outputs=[
                STYLE_KV.Output(
                    display_name="style_kv", tooltip="The style's attention keys and values; to Injected Sampler."
                ),
                io.Latent.Output(display_name="inverted", tooltip="The style's noise; to Latent AdaIN."),
            ],
        )

    @classmethod
    def execute(cls, model, conditioning, latent, **dials):
        inverted, bank = invert_and_record(
            "StyleKVCapture", model, conditioning, latent, InversionDials(**dials), "style", preview_of(model)
        )
        return io.NodeOutput(StyleKV(bank), inverted)
