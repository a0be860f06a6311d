"""DDIM sampling with the injection: what InjectedSampler and the contact sheet share."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import comfy.model_management
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy_api.latest import io

from ..equations.noise_levels import check_sampling_sigmas
from ..features.feature_bank import FeatureBank
from .checks import check_latent
from .guider import guider_for, repeatable_random_numbers
from .inject import with_style_injection


def sampling_inputs() -> list:
    """sigmas, negative, cfg, all optional: a public order, append only."""
    return [
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
    ]


def sample_injected(
    name: str,
    model,
    conditioning,
    latent: dict,
    style_kv=None,
    content_query=None,
    sigmas: torch.Tensor | None = None,
    negative=None,
    cfg: float = 1.0,
    callback: Callable | None = None,
    **dials,
) -> torch.Tensor:
    """Samples a LATENT with ComfyUI's Euler sampler (DDIM, eta = 0) and the style injected.

    Args:
        name: the node's name, for the log.
        latent: the inverted content; a noise mask keeps the content outside it.
        sigmas: levels to sample; those of the inversion where None.
        callback: progress (step, denoised, x, total steps); the latent preview where None.
        dials: gamma, tau, gamma_curve, gamma_end, layers, start_percent, end_percent (see `injection_inputs`).
    Returns:
        (B, C, H, W) in LATENT scale.
    Raises:
        ValueError: see `with_style_injection` and `check_latent`; no levels; counts that do not pair; a mask without
            the content.
    """
    patched = with_style_injection(model, style_kv, content_query, **dials)
    samples = check_latent(latent, model, f"{name}'s latent")
    banks = [wire.bank for wire in (content_query, style_kv) if wire is not None]
    sigmas = check_sampling_sigmas(_sigmas_of(name, sigmas, banks))
    samples = _match_styles(samples, 1 if style_kv is None else style_kv.batch)

    noise, start = torch.zeros_like(samples), samples
    mask = latent.get("noise_mask")
    if mask is not None:
        noise, start = _hold_outside_mask(model, samples, content_query, float(sigmas[0]))

    guider = guider_for(name, patched, conditioning, negative, cfg)
    steps = len(sigmas) - 1
    started = time.perf_counter()
    with repeatable_random_numbers(model.load_device):
        result = guider.sample(
            noise,
            start,
            comfy.samplers.sampler_object("euler"),
            sigmas,
            denoise_mask=mask,
            callback=callback or latent_preview.prepare_callback(patched, steps),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=0,
        )
    how = "plain DDIM" if patched is model else f"gamma {dials['gamma']:g}, tau {dials['tau']:g}"
    logging.info(f"{name}: {steps} steps, {how}, {time.perf_counter() - started:.1f} s")
    return result.to(comfy.model_management.intermediate_device())


def _sigmas_of(name: str, sigmas: torch.Tensor | None, banks: list[FeatureBank]) -> torch.Tensor:
    if sigmas is not None:
        return sigmas
    if not banks:
        raise ValueError(
            f"{name} does not know which noise levels to sample: connect content_query (or sigmas) of DDIM Invert, "
            "or style_kv."
        )
    return banks[0].sigmas


def _match_styles(samples: torch.Tensor, styles: int) -> torch.Tensor:
    """One latent and n styles give n images; otherwise the batch is the latent's."""
    count = len(samples)
    if styles in (1, count):
        return samples
    if count == 1:
        return samples.repeat(styles, 1, 1, 1)
    raise ValueError(f"{count} latents and {styles} styles cannot be paired; use equal counts, or one of either.")


def _hold_outside_mask(model, samples: torch.Tensor, content_query, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(noise, latent) from which ComfyUI's inpainting starts at `samples` and ends, outside the mask, at the content.

    x = z0 + sigma * noise has to be the inverted latent, so noise = (x - z0) / sigma.
    """
    if content_query is None:
        raise ValueError(
            "the latent has a noise mask, so the area outside it has to stay the content's: connect content_query of "
            "DDIM Invert, or remove Set Latent Noise Mask."
        )
    clean = content_query.bank.clean.to(samples.device)
    if clean.shape[1:] != samples.shape[1:]:
        raise ValueError(
            f"the latent has a noise mask and shape {tuple(samples.shape)}, but the inverted content has "
            f"{tuple(clean.shape)}; masked sampling needs the size that was inverted."
        )
    noise = (model.model.process_latent_in(samples) - clean) / sigma
    sigma_max = float(model.get_model_object("model_sampling").sigma_max)
    if sigma > sigma_max * (1 - 1e-5):
        noise = noise * sigma / (1 + sigma**2) ** 0.5  # ComfyUI scales the noise differently at the very top
    return noise, model.model.process_latent_out(clean).expand_as(samples)
