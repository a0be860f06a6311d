"""InjectedSampler: DDIM sampling with attention style injection. StyleID (Chung et al. 2024), sections 4.2 and 4.3."""

from __future__ import annotations

import logging
import time

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy_api.latest import io

from ..attention_patch.feature_bank import FeatureBank
from ..diffusion.levels import check_sampling_sigmas
from .apply_injection import injection_inputs, with_style_injection
from .checks import check_latent
from .wire_types import CATEGORY, CONTENT_QUERY, STYLE_KV


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
                io.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip="Noise levels to sample with. Leave empty to take those of the inversion.",
                ),
                io.Conditioning.Input(
                    "negative", optional=True, tooltip="What to steer away from. Only used with cfg above 1."
                ),
                io.Float.Input(
                    "cfg",
                    default=1.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    round=0.01,
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "Guidance: higher follows the prompt more and the content less. 1, as in the paper, is off; "
                        "needs negative, and doubles the time."
                    ),
                ),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="The stylised latent; to VAE Decode.")],
        )

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
        patched = with_style_injection(model, style_kv, content_query, **dials)
        samples = check_latent(latent, model, "InjectedSampler's latent")
        banks = [wire.bank for wire in (content_query, style_kv) if wire is not None]
        sigmas = check_sampling_sigmas(_sigmas_of(sigmas, banks))
        samples = _match_styles(samples, style_kv.bank if style_kv is not None else None)

        noise, start = torch.zeros_like(samples), samples
        mask = latent.get("noise_mask")
        if mask is not None:
            noise, start = _hold_outside_mask(
                model, samples, content_query.bank if content_query else None, float(sigmas[0])
            )

        guider = comfy.samplers.CFGGuider(patched)
        if negative is None:
            guider.inner_set_conds({"positive": conditioning})
        else:
            guider.set_conds(conditioning, negative)
            guider.set_cfg(cfg)
        steps = len(sigmas) - 1
        started = time.perf_counter()
        result = guider.sample(
            noise,
            start,
            comfy.samplers.sampler_object("euler"),
            sigmas,
            denoise_mask=mask,
            callback=latent_preview.prepare_callback(patched, steps),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=0,
        )
        how = "plain DDIM" if patched is model else f"gamma {dials['gamma']:g}, tau {dials['tau']:g}"
        logging.info(f"InjectedSampler: {steps} steps, {how}, {time.perf_counter() - started:.1f} s")
        return io.NodeOutput({**latent, "samples": result.to(comfy.model_management.intermediate_device())})


def _sigmas_of(sigmas: torch.Tensor | None, banks: list[FeatureBank]) -> torch.Tensor:
    if sigmas is not None:
        return sigmas
    if not banks:
        raise ValueError(
            "InjectedSampler does not know which noise levels to sample: connect content_query (or sigmas) of DDIM "
            "Invert, or style_kv."
        )
    return banks[0].sigmas


def _match_styles(samples: torch.Tensor, style: FeatureBank | None) -> torch.Tensor:
    """One latent and n styles give n images; otherwise the batch is the latent's."""
    count = len(samples)
    if style is None or style.batch in (1, count):
        return samples
    if count == 1:
        return samples.repeat(style.batch, 1, 1, 1)
    raise ValueError(f"{count} latents and {style.batch} styles cannot be paired; use equal counts, or one of either.")


def _hold_outside_mask(model, samples: torch.Tensor, content: FeatureBank | None, sigma: float):
    """(noise, latent) from which ComfyUI's inpainting starts at `samples` and ends, outside the mask, at the content.

    x = z0 + sigma * noise has to be the inverted latent, so noise = (x - z0) / sigma.
    """
    if content is None:
        raise ValueError(
            "the latent has a noise mask, so the area outside it has to stay the content's: connect content_query of "
            "DDIM Invert, or remove Set Latent Noise Mask."
        )
    if content.clean.shape[1:] != samples.shape[1:]:
        raise ValueError(
            f"the latent has a noise mask and shape {tuple(samples.shape)}, but the inverted content has "
            f"{tuple(content.clean.shape)}; masked sampling needs the size that was inverted."
        )
    clean = model.model.process_latent_out(content.clean).to(samples.device).expand_as(samples)
    x = model.model.process_latent_in(samples)
    noise = (x - content.clean.to(samples.device)) / sigma
    sampling = model.get_model_object("model_sampling")
    if sigma >= float(sampling.sigma_max) or abs(sigma - float(sampling.sigma_max)) < 1e-5 * sigma:
        noise = noise * sigma / (1 + sigma**2) ** 0.5  # ComfyUI scales the noise differently at the very top
    return noise, clean
