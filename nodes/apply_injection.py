"""A MODEL with the style injection on it: what InjectedSampler and CellStyleApply share."""

from __future__ import annotations

from comfy.patcher_extension import WrappersMP
from comfy_api.latest import io

from ..attention_patch.feature_bank import ContentQuery, StyleKV, StyleMix
from ..attention_patch.injection import InjectionSettings, StyleInjection
from ..attention_patch.unet_layers import LAYERS_TOOLTIP, select_layers
from ..diffusion.gamma_schedule import CURVES
from .checks import check_family, check_model, family_of


def injection_inputs() -> list:
    """gamma, tau, gamma_curve, gamma_end, layers, start_percent, end_percent: a public order, append only."""
    return [
        io.Float.Input(
            "gamma",
            default=0.75,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip=(
                "Query preservation. Higher keeps more of the content's structure, lower lets the style rearrange it. "
                "For cells: 0.75 keeps organelles readable, 0.5 is balanced, 0.3 is painterly."
            ),
        ),
        io.Float.Input(
            "tau",
            default=1.5,
            min=0.1,
            max=10.0,
            step=0.05,
            tooltip=(
                "Attention temperature. Higher makes attention sharper: crisper strokes and more contrast. Lower "
                "blends style patches into a softer, flatter look. The paper uses 1.5; 1 to 2 is usual."
            ),
        ),
        io.Combo.Input(
            "gamma_curve",
            options=list(CURVES),
            default="constant",
            advanced=True,
            tooltip=(
                "How gamma goes from its value at the first step to gamma_end at the last. constant ignores gamma_end. "
                "Falling gamma with cosine or sqrt keeps structure early and gives texture late (Kulkarni 2026)."
            ),
        ),
        io.Float.Input(
            "gamma_end",
            default=0.75,
            min=0.0,
            max=1.0,
            step=0.05,
            advanced=True,
            tooltip="Gamma at the last step, except with constant. Lower than gamma: more texture in fine detail.",
        ),
        io.String.Input("layers", default="auto", advanced=True, tooltip=LAYERS_TOOLTIP),
        io.Float.Input(
            "start_percent",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            advanced=True,
            tooltip="Where in the sampling the injection starts. Raising it leaves the coarse layout to the model.",
        ),
        io.Float.Input(
            "end_percent",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            advanced=True,
            tooltip="Where the injection ends. Lowering it leaves the finest detail to the model.",
        ),
    ]


def with_style_injection(
    model,
    style_kv: StyleKV | StyleMix | None,
    content_query: ContentQuery | None,
    gamma: float,
    tau: float,
    gamma_curve: str,
    gamma_end: float,
    layers: str,
    start_percent: float,
    end_percent: float,
):
    """A clone of MODEL that injects the style; the same MODEL, untouched, where there is nothing to inject.

    Raises:
        ValueError: unsupported model, features of another model family, layers that were not captured, gamma above 0
            without CONTENT_QUERY.
    """
    available = check_model(model)
    if style_kv is None or start_percent >= end_percent:
        return model
    family = family_of(model, available)
    chosen = style_kv.bank.layers if layers.strip().lower() == "auto" else select_layers(layers, available)
    for part in style_kv.parts:
        check_family("style_kv", part.bank, family)
        _check_captured("style_kv", part.bank, chosen)
    if content_query is not None:
        check_family("content_query", content_query.bank, family)
    if gamma > 0 or (gamma_curve != "constant" and gamma_end > 0):
        if content_query is None:
            raise ValueError(
                f"gamma is {gamma:g}, which keeps the content's queries, but content_query is not connected. Connect "
                "content_query of DDIM Invert, or set gamma to 0."
            )
        _check_captured("content_query", content_query.bank, chosen)
    else:
        content_query = None

    sampling = model.get_model_object("model_sampling")
    settings = InjectionSettings(
        gamma=gamma,
        tau=tau,
        gamma_curve=gamma_curve,
        gamma_end=gamma_end,
        layers=chosen,
        sigma_start=float(sampling.percent_to_sigma(start_percent)),
        sigma_end=float(sampling.percent_to_sigma(end_percent)),
    )
    injection = StyleInjection(style_kv, content_query, settings)
    patched = model.clone()
    patched.add_wrapper_with_key(WrappersMP.APPLY_MODEL, injection.slot, injection.wrapper)
    patched.set_model_attn1_patch(injection.patch)
    if injection.is_mixture:
        patched.set_model_attn1_output_patch(injection.output_patch)
    return patched


def _check_captured(what: str, bank, chosen) -> None:
    missing = [layer for layer in chosen if layer not in bank.layers]
    if missing:
        have = ", ".join(sorted({f"{layer.block}.{layer.number}" for layer in bank.layers}))
        layer = missing[0]
        raise ValueError(
            f"layers asks for {layer.block}.{layer.number}, but {what} was captured without it (it has {have}). "
            "Give the capture and the sampler the same layers."
        )
