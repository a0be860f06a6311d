"""DDIMInvert: the content branch. StyleID (Chung et al. 2024), section 4.1."""

from __future__ import annotations

from comfy_api.latest import io

from ..engine.dials import InversionDials
from ..engine.invert import invert_and_record
from ..features.wire_values import ContentQuery
from ..node_parts.inversion_inputs import inversion_inputs
from ..node_parts.preview import preview_of
from ..node_parts.solver_inputs import solver_inputs
from ..node_parts.storage_inputs import precision_input
from ..node_parts.wire_types import CATEGORY, CONTENT_QUERY


class DDIMInvert(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DDIMInvert",
            display_name="DDIM Invert",
            category=CATEGORY,
            description=(
                "Content branch: walks the content's latent back to the noise it could have come from, and records "
                "its attention queries on the way."
            ),
            search_aliases=["inversion", "ddim inversion", "invert latent", "StyleID", "style transfer", "unsample"],
            inputs=[
                *inversion_inputs("The content image through VAE Encode. Any size, any batch."),
                io.String.Input(
                    "residual_features",
                    default="",
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "Decoder blocks whose residual features to record too, such as output.4 (plug-and-play, "
                        "Tumanyan et al. 2023), for feature_strength of Cell Style Settings. More blocks: more memory."
                    ),
                ),
                precision_input(),
                *solver_inputs(),
            ],
            outputs=[
                io.Latent.Output(display_name="inverted", tooltip="The content's noise; to Latent AdaIN."),
                CONTENT_QUERY.Output(
                    display_name="content_query", tooltip="The content's attention queries; to Injected Sampler."
                ),
                io.Sigmas.Output(
                    display_name="sigmas", tooltip="The noise levels to sample with, for samplers other than ours."
                ),
            ],
        )

    @classmethod
    def execute(cls, model, conditioning, latent, **dials):
        inverted, bank = invert_and_record(
            "DDIMInvert", model, conditioning, latent, InversionDials(**dials), "content", preview_of(model)
        )
        return io.NodeOutput(inverted, ContentQuery(bank), bank.sigmas.clone())
