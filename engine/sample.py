"""DDIM sampling with the injection."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import comfy.model_management
import comfy.samplers
import comfy.utils
import torch

from ..attention_patch.architectures.architecture import Architecture
from ..attention_patch.architectures.choose import architecture_of
from ..common.pairing import check_images, paired_count
from ..features.feature_bank import FeatureBank
from ..features.wire_values import ContentQuery, StyleKV, StyleMix
from .check_conditioning import check_conditioning
from .checks import check_latent
from .dials import Dials
from .guider import guider_for, repeatable_random_numbers
from .inject import with_style_injection
from .inverted_latent import check_start


def sample_injected(
    name: str,
    model,
    conditioning,
    latent: dict,
    style_kv: StyleKV | StyleMix | None,
    content_query: ContentQuery | None,
    dials: Dials,
    sigmas: torch.Tensor | None = None,
    negative=None,
    cfg: float = 1.0,
    progress: Callable[[int], Callable] | None = None,
    say: bool = True,
) -> torch.Tensor:
    """Samples a LATENT with ComfyUI's Euler sampler (DDIM, eta = 0) and the style injected.

    Args:
        name: the node's name, for the log.
        latent: the inverted content; a noise mask keeps the content outside it.
        sigmas: levels to sample; those of the inversion where None.
        progress: called with the number of steps; gives the callback (step, denoised, x, steps) of the sampling.
        say: a line in the log, with the time.
    Returns:
        (B, C, H, W) in LATENT scale.
    Raises:
        ValueError: see `with_style_injection` and `check_latent`; no levels; counts that do not pair; a mask without
            the content.
    """
    patched = with_style_injection(model, style_kv, content_query, dials)
    architecture = architecture_of(model)
    samples = check_latent(latent, architecture, f"{name}'s latent")
    banks = [wire.bank for wire in (content_query, style_kv) if wire is not None]
    sigmas = architecture.fit_sigmas(_sigmas_of(name, sigmas, banks))
    check_conditioning(name, model, conditioning, sigmas)
    architecture.check_conditioning(name, conditioning)
    if negative is not None:
        check_conditioning(name, model, negative, sigmas, "negative")
        architecture.check_conditioning(name, negative)
    clean = content_query.bank.clean if content_query is not None and patched is not model else None
    check_start(name, latent, model.model.process_latent_in(samples), sigmas, clean)
    samples = _match_styles(samples, 1 if style_kv is None else style_kv.batch)

    noise, start = torch.zeros_like(samples), samples
    mask = latent.get("noise_mask")
    if mask is not None:
        noise, start = _hold_outside_mask(architecture, samples, content_query, float(sigmas[0]))

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
            callback=progress(steps) if progress else None,
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=0,
        )
    how = "plain DDIM" if patched is model else f"gamma {dials.gamma:g}, tau {dials.tau:g}"
    if say:
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
    count = paired_count(len(samples), styles, "latents", "styles")
    return samples if count == len(samples) else samples.repeat(count, *[1] * (samples.ndim - 1))


def _hold_outside_mask(
    architecture: Architecture, samples: torch.Tensor, content_query, sigma: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(noise, latent) for ComfyUI's inpainting: starts at `samples`, and outside the mask ends at the content."""
    if content_query is None:
        raise ValueError(
            "the latent has a noise mask, so the area outside it has to stay the content's: connect content_query of "
            "DDIM Invert, or remove Set Latent Noise Mask."
        )
    clean = content_query.bank.clean.to(samples.device)
    check_images("content", len(clean), len(samples))
    if clean.shape[1:] != samples.shape[1:]:
        raise ValueError(
            f"the latent has a noise mask and shape {tuple(samples.shape)}, but the inverted content has "
            f"{tuple(clean.shape)}; masked sampling needs the size that was inverted."
        )
    model = architecture.model.model
    noise = architecture.masked_start(model.process_latent_in(samples), clean, sigma)
    return noise, model.process_latent_out(clean).expand_as(samples)
