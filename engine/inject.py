"""A MODEL with the style injection on it: the injection with its checks."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import comfy.model_management
from comfy.patcher_extension import CallbacksMP, WrappersMP

from ..attention_patch.architectures.architecture import Architecture
from ..attention_patch.architectures.choose import architecture_of
from ..attention_patch.capture import add_capture
from ..attention_patch.model_patch import StyleInjection
from ..attention_patch.patch_order import is_compiled
from ..attention_patch.sigma_dials import SigmaDials
from ..features.feature_bank import FeatureBank
from ..features.wire_values import ContentQuery, StyleKV, StyleMix
from .announce import announce
from .checks import check_family, check_no_overlap, check_token_dials
from .dials import Dials, StyleSettings, parse_layer_gamma
from .inverted_latent import check_levels
from .recompute import Recomputation


def with_style_injection(
    model,
    style_kv: StyleKV | StyleMix | None,
    content_query: ContentQuery | None,
    dials: Dials,
):
    """A clone of MODEL that injects the style; the same MODEL, untouched, where there is nothing to inject.

    Raises:
        ValueError: unsupported model, dials that its family has not, features of another model family, layers that were
            not captured, gamma above 0 without CONTENT_QUERY, an injection that the model has already in the same
            layers at the same steps.
    """
    architecture = architecture_of(model)
    check_token_dials(architecture, dials.style_position, dials.qk_adain)
    fine = dials.fine
    injects = dials.start_percent < dials.end_percent
    if style_kv is None or (not injects and not (fine.adain_rate or fine.feature_strength)):
        return model
    family = architecture.fingerprint()
    chosen = style_kv.bank.layers if dials.layers.strip().lower() == "auto" else architecture.select(dials.layers)
    for part in style_kv.parts:
        check_family("style_kv", part.bank, family)
        _check_captured("style_kv", part.bank, chosen)
    if content_query is not None:
        check_family("content_query", content_query.bank, family)
    if dials.keeps_queries and injects:
        if content_query is None:
            dial, of = ("gamma", dials.gamma) if dials.keeps_all_queries else ("flat_background", fine.flat_background)
            raise ValueError(
                f"{dial} is {of:g}, which keeps the content's queries, but content_query is not connected. "
                f"Connect content_query of DDIM Invert, or set {dial} to 0."
            )
        _check_captured("content_query", content_query.bank, chosen)
        for part in style_kv.parts:
            check_levels(content_query.bank, part.bank)
    elif not (fine.feature_strength or fine.flat_background):
        content_query = None
    if fine.feature_strength:
        _check_residuals(fine, content_query)

    sampling = model.get_model_object("model_sampling")

    def sigmas(start: float, end: float) -> tuple[float, float]:
        if start >= end:
            return (-1.0, 0.0)  # no sigma is in it
        return float(sampling.percent_to_sigma(start)), float(sampling.percent_to_sigma(end))

    sigma_start, sigma_end = sigmas(dials.start_percent, dials.end_percent)
    injected = SigmaDials(
        gamma=dials.gamma,
        tau=dials.tau,
        gamma_curve=dials.gamma_curve,
        gamma_end=dials.gamma_end,
        layers=chosen,
        sigma_start=sigma_start,
        sigma_end=sigma_end,
        query_sigmas=sigmas(fine.query_start, fine.query_end),
        layer_gamma=parse_layer_gamma(fine.layer_gamma, architecture.select),
        trained_area=(fine.trained_size / model.get_model_object("latent_format").spacial_downscale_ratio) ** 2,
        adain_rate=fine.adain_rate,
        adain_sigmas=sigmas(fine.adain_start, fine.adain_end),
        feature_strength=fine.feature_strength,
        feature_sigma_end=sigmas(0.0, fine.feature_end)[1] if fine.feature_end > 0 else float("inf"),
        style_position=dials.style_position,
        qk_adain=dials.qk_adain,
        flat_background=fine.flat_background,
    )
    check_no_overlap(model, injected)
    injection = StyleInjection(architecture, style_kv, content_query, injected)
    patched = model.clone()
    if is_compiled(patched):
        logging.warning("CellStyle: the injected model runs uncompiled, because a compiled one does not see patches")
    banks = [part.bank for part in style_kv.parts] + ([content_query.bank] if content_query is not None else [])
    if not all(bank.blocks for bank in banks):
        recomputation = Recomputation(injection)
        add_capture(patched, architecture)
        patched.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, injection.slot, recomputation.wrapper)
        patched.add_callback_with_key(CallbacksMP.ON_CLEANUP, f"{injection.slot}_conds", recomputation.cleanup)
    announce(patched, _on_device(model, architecture, banks))
    patched.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, f"{injection.slot}_picture", injection.prediction_wrapper)
    patched.add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, injection.slot, injection.conditioning_wrapper)
    patched.add_wrapper_with_key(WrappersMP.APPLY_MODEL, injection.slot, injection.wrapper)
    patched.add_callback_with_key(CallbacksMP.ON_CLEANUP, injection.slot, injection.cleanup)
    if fine.adain_rate:
        patched.set_model_sampler_post_cfg_function(injection.post_cfg)
    architecture.prepare_for_injection(patched, injection)
    return patched


def _on_device(model, architecture: Architecture, banks: Sequence[FeatureBank]) -> int:
    """Bytes of features that sampling brings to the device: two levels of what waits elsewhere, one that is computed
    anew. What was kept there is there already."""
    element_size = comfy.model_management.dtype_size(model.model.get_dtype_inference())
    found = 0
    for bank in dict.fromkeys(banks):
        if not bank.blocks:
            found += architecture.predicted_bytes(bank.layers, tuple(bank.clean.shape), 1, element_size, bank.role)
        elif any(block.device != model.load_device for block in bank.blocks.values()):
            found += min(2, len(bank.levels)) * bank.nbytes() // len(bank.levels)
    return found


def _check_residuals(fine: StyleSettings, content_query: ContentQuery | None) -> None:
    if content_query is None or not content_query.bank.residuals:
        raise ValueError(
            f"feature_strength is {fine.feature_strength:g}, but there are no residual features of the content: set "
            "residual_features of DDIM Invert to output.4 and connect content_query, or set feature_strength to 0."
        )


def _check_captured(what: str, bank, chosen) -> None:
    missing = [layer for layer in chosen if layer not in bank.layers]
    if missing:
        have = ", ".join(sorted({str(layer) for layer in bank.layers}))
        layer = missing[0]
        raise ValueError(
            f"layers asks for {layer}, but {what} was captured without it (it has {have}). "
            "Give the capture and the sampler the same layers."
        )
