"""The dials of an injection, as InjectedSampler, CellStyleApply and the contact sheet show them."""

from __future__ import annotations

from comfy_api.latest import io

from ..equations.query_preservation import CURVES
from ..equations.rotary import STYLE_POSITIONS
from .layers_input import layers_input
from .wire_types import SETTINGS


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
        layers_input(),
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


def token_inputs() -> list:
    """style_position, qk_adain, both optional: a public order, append only."""
    return [
        io.Combo.Input(
            "style_position",
            options=list(STYLE_POSITIONS),
            default=STYLE_POSITIONS[0],
            optional=True,
            advanced=True,
            tooltip=(
                "Transformers with rotary positions: where the style's keys stand. own: on the picture, so that its "
                "layout can show through. moved: beside it (AlignedGen 2025). untwist: on it, with high frequencies "
                "halved, which bind a place to the same place (Untwisting RoPE, arXiv 2602.05013)."
            ),
        ),
        io.Float.Input(
            "qk_adain",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            optional=True,
            advanced=True,
            tooltip=(
                "Transformers: AdaIN of the picture's queries, and of its own keys where a blend shares them, to the "
                "style's statistics (StyleAligned, Hertz et al. 2024). Higher: more of the style; 0 is off."
            ),
        ),
    ]


def flat_background_input(usual: str, advanced: bool | None = None):
    """usual: the end of its tooltip, what is usual here and what it needs."""
    return io.Float.Input(
        "flat_background",
        default=0.0,
        min=0.0,
        max=1.0,
        step=0.05,
        optional=True,
        advanced=advanced,
        tooltip=(
            "How even an empty background stays. Higher: fewer strokes are drawn there, and the cells are painted as "
            f"before. {usual}"
        ),
    )


def settings_input():
    """The optional finer dials; the last input of every node that takes the dials."""
    return SETTINGS.Input(
        "settings",
        optional=True,
        tooltip="Finer dials from Cell Style Settings: query range, per-step AdaIN, residual features and more.",
    )
