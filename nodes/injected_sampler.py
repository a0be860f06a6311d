"""InjectedSampler: DDIM sampling with attention style injection. StyleID (Chung et al. 2024), sections 4.1 and 4.2."""

from __future__ import annotations

from comfy_api.latest import io

from ..engine.dials import Dials
from ..engine.inverted_latent import without_inversion
from ..engine.sample import sample_injected
from ..node_parts.before_run import ABSENT, check_guidance, check_queries, check_values
from ..node_parts.dial_inputs import injection_inputs, settings_input, token_inputs
from ..node_parts.preview import preview_of
from ..node_parts.sampling_inputs import sampling_inputs
from ..node_parts.wire_types import CATEGORY, CONTENT_QUERY, STYLE_KV


class InjectedSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="InjectedSampler",
            display_name="Injected Sampler",
            category=CATEGORY,
            description=(
                "Samples from the content's noise while the self-attention reads the style's keys and values, and "
                "keeps part of the content's queries. Deterministic: no seed."
            ),
            search_aliases=["style transfer", "StyleID", "style injection", "cell style", "ink wash", "sampler"],
            inputs=[
                io.Model.Input("model", tooltip="The model that made style_kv and content_query."),
                io.Conditioning.Input("conditioning", tooltip="The paper uses an empty prompt."),
                io.Latent.Input("latent", tooltip="The inverted content, through Latent AdaIN or directly."),
                STYLE_KV.Input(
                    "style_kv",
                    optional=True,
                    tooltip="From Style K/V Capture. Without it, or bypassed, this is a plain DDIM sampler.",
                ),
                CONTENT_QUERY.Input(
                    "content_query", optional=True, tooltip="From DDIM Invert. Needed while gamma is above 0."
                ),
                *injection_inputs(),
                *sampling_inputs(),
                settings_input(),
                *token_inputs(),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="The stylised latent; to VAE Decode.")],
        )

    @classmethod
    def validate_inputs(
        cls,
        gamma=None,
        gamma_curve=None,
        gamma_end=None,
        start_percent=None,
        end_percent=None,
        style_kv=ABSENT,
        content_query=ABSENT,
        cfg=None,
        negative=ABSENT,
    ):
        ranges = {"start_percent": start_percent, "end_percent": end_percent}
        curve = {"gamma_curve": gamma_curve, "gamma_end": gamma_end}
        check_values(cls, {"gamma": gamma, **curve, **ranges, "cfg": cfg})
        check_queries(style_kv, content_query, [gamma], **curve, **ranges)
        check_guidance(cfg, negative)
        return True

    @classmethod
    def execute(
        cls,
        model,
        conditioning,
        latent,
        style_kv=None,
        content_query=None,
        sigmas=None,
        negative=None,
        cfg=1.0,
        **dials,
    ):
        result = sample_injected(
            "InjectedSampler",
            model,
            conditioning,
            latent,
            style_kv,
            content_query,
            Dials(**dials),
            sigmas,
            negative,
            cfg,
            preview_of(model),
        )
        return io.NodeOutput(without_inversion(latent, result))
