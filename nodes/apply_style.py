"""CellStyleApply: the same injection as a model patch, for any sampler."""

from __future__ import annotations

import functools
import logging

from comfy.patcher_extension import WrappersMP
from comfy_api.latest import io

from ..attention_patch.architectures.choose import architecture_of
from ..engine.dials import Dials
from ..engine.inject import with_style_injection
from ..engine.same_picture import check_aspect, may_be_a_tile
from ..engine.start_level import check_signal_left
from ..node_parts.before_run import ABSENT, check_queries, check_values
from ..node_parts.dial_inputs import injection_inputs, settings_input, token_inputs
from ..node_parts.wire_types import CATEGORY, CONTENT_QUERY, STYLE_KV


class CellStyleApply(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleApply",
            display_name="Cell Style Apply",
            category=CATEGORY,
            description=(
                "Puts the style injection on a MODEL, for KSampler (Advanced), SamplerCustomAdvanced and anything else "
                "that takes a MODEL. Start from the inverted latent, add no noise, and use DDIM Invert's sigmas: with "
                "euler or ddim the result is Injected Sampler's, bit for bit."
            ),
            search_aliases=["style patch", "style injection model", "apply style", "StyleID", "any sampler"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip=(
                        "The model that made style_kv and content_query. Deterministic samplers (euler, ddim, heun, "
                        "dpmpp_2m, ...) keep the content; ancestral and SDE samplers (their names end in _a, _sde or "
                        "_ancestral) add fresh noise at every step, which the inversion cannot foresee: the style "
                        "stays, the content drifts."
                    ),
                ),
                STYLE_KV.Input("style_kv", optional=True, tooltip="From Style K/V Capture, Blend or Load."),
                CONTENT_QUERY.Input(
                    "content_query", optional=True, tooltip="From DDIM Invert. Needed while gamma is above 0."
                ),
                *injection_inputs(),
                settings_input(),
                *token_inputs(),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="To the sampler. The model itself is untouched.")],
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
    ):
        ranges = {"start_percent": start_percent, "end_percent": end_percent}
        curve = {"gamma_curve": gamma_curve, "gamma_end": gamma_end}
        check_values(cls, {"gamma": gamma, **curve, **ranges})
        check_queries(style_kv, content_query, [gamma], **curve, **ranges)
        return True

    @classmethod
    def execute(cls, model, style_kv=None, content_query=None, **dials):
        dials = Dials(**dials)
        patched = with_style_injection(model, style_kv, content_query, dials)
        if patched is not model:
            patched.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "cellstyle_stochastic", _warn_if_stochastic)
            keeps_content = dials.keeps_queries and content_query is not None
            start = functools.partial(_check_signal, architecture_of(model).path, keeps_content)
            patched.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "cellstyle_start", start)
            if keeps_content:
                watch = functools.partial(_check_picture, content_query.bank)
                patched.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "cellstyle_picture", watch)
        return io.NodeOutput(patched)


# parts of the names of samplers that add fresh noise at every step
_STOCHASTIC = ("ancestral", "sde", "lcm", "ddpm", "sa_solver", "seeds")


# how the names of options begin that say how much noise: k-diffusion's, and other packs' (eta_substep, ...)
_NOISE_OPTIONS = ("eta", "s_churn")


def is_stochastic(sampler) -> bool:
    """Whether a SAMPLER draws fresh noise at every step, as far as its options (eta, s_churn) or its name tell.

    An eta that is given decides, since 0 makes an ancestral sampler deterministic; else the name does.
    """
    name = getattr(getattr(sampler, "sampler_function", None), "__name__", "").lower()
    options = getattr(sampler, "extra_options", None) or {}
    given = {
        key: value
        for key, value in options.items()
        if str(key).lower().startswith(_NOISE_OPTIONS) and isinstance(value, int | float)
    }
    if any(value > 0 for value in given.values()):
        return True
    return any(part in name for part in _STOCHASTIC) and given.get("eta") != 0


def _check_signal(path, keeps_content, executor, noise, latent_image, sampler, sigmas, *args, **kwargs):
    """An OUTER_SAMPLE wrapper: see `check_signal_left`."""
    check_signal_left(path, sigmas, latent_image, keeps_content)
    return executor(noise, latent_image, sampler, sigmas, *args, **kwargs)


def _check_picture(bank, executor, noise, latent_image, *args, **kwargs):
    """An OUTER_SAMPLE wrapper: the content's queries are for the picture that was inverted, and for no part of it."""
    check_aspect(bank.clean, latent_image)
    clean = executor.class_obj.model_patcher.model.process_latent_out(bank.clean)
    if may_be_a_tile(clean, latent_image, noise):
        logging.warning(
            "CellStyleApply: the sampled picture is not the one that was inverted, so the content's queries (gamma "
            "above 0) are another picture's. An upscaler that samples tile by tile does this: set gamma to 0 for it."
        )
    return executor(noise, latent_image, *args, **kwargs)


def _warn_if_stochastic(executor, noise, latent_image, sampler, *args, **kwargs):
    if is_stochastic(sampler):
        name = sampler.sampler_function.__name__.removeprefix("sample_")
        logging.warning(
            f"CellStyleApply: {name} adds fresh noise at every step, which the inversion cannot foresee: the content "
            "will drift. euler, ddim, heun and dpmpp_2m keep it."
        )
    return executor(noise, latent_image, sampler, *args, **kwargs)
