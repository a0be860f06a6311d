"""Looks and speeds: the dials of a whole transfer, set together."""

from __future__ import annotations

from dataclasses import dataclass, replace

from comfy_api.latest import io

CUSTOM = "custom"


@dataclass(frozen=True)
class TransferDials:
    """Everything that a look or a speed sets; each is the dial of that name in its node.

    start: mode of LatentAdaIN. strength: of the same. adain_rate, adain_end, flat_background: of CellStyleSettings.
    """

    gamma: float = 0.75
    tau: float = 1.5
    gamma_curve: str = "constant"
    gamma_end: float = 0.75
    strength: float = 1.0
    start: str = "noise-preserving"
    adain_rate: float = 0.0
    adain_end: float = 1.0
    steps: int = 11
    solver: str = "multistep"
    spacing: str = "linspace"
    flat_background: float = 0.0


_HELD = {"strength": 1.0, "start": "noise-preserving", "adain_rate": 0.4, "adain_end": 1.0, "flat_background": 1.0}
# faithful is the paper's, with what keeps an even background even; the others hold the style's colours at
# every step, which keeps palettes of two colours from blending into one
LOOKS = {
    "faithful": {"gamma": 0.75, "gamma_end": 0.75, "gamma_curve": "constant", "tau": 1.5, **_HELD, "adain_rate": 0.0},
    "balanced": {"gamma": 0.75, "gamma_end": 0.3, "gamma_curve": "cosine", "tau": 1.5, **_HELD},
    "painterly": {"gamma": 0.3, "gamma_end": 0.3, "gamma_curve": "constant", "tau": 1.5, **_HELD},
}
SPEEDS = {
    "fast": {"steps": 11, "solver": "multistep", "spacing": "linspace"},
    "paper": {"steps": 50, "solver": "ddim", "spacing": "leading", "start": "global", "flat_background": 0.0},
}


def chosen_dials(preset: str, speed: str, own: TransferDials) -> TransferDials:
    """`own` with what a look and a speed set; "custom" sets nothing.

    Raises: ValueError: no such preset or speed.
    """
    for what, name, known in (("preset", preset, LOOKS), ("speed", speed, SPEEDS)):
        if name != CUSTOM and name not in known:
            raise ValueError(f"{what} {name!r} is unknown; choose one of {', '.join([CUSTOM, *known])}.")
    return replace(own, **{**LOOKS.get(preset, {}), **SPEEDS.get(speed, {})})


def preset_inputs(preset: str = CUSTOM, speed: str = CUSTOM) -> list:
    """preset, speed: a public order, append only. preset, speed: what a new node shows."""
    return [
        io.Combo.Input(
            "preset",
            options=[CUSTOM, *LOOKS],
            default=preset,
            optional=True,
            tooltip=(
                "The look, as one choice. faithful: the structure as the paper keeps it (gamma 0.75). balanced: "
                "structure early, texture late (gamma 0.75 to 0.3), colours held at every step. painterly: the style "
                "rearranges (gamma 0.3). In all of them an even background stays even. custom: your own dials."
            ),
        ),
        io.Combo.Input(
            "speed",
            options=[CUSTOM, *SPEEDS],
            default=speed,
            optional=True,
            tooltip=(
                "The inversion, as one choice. fast: 11 multistep steps over linspace, 33 network calls in all. "
                "paper: 50 of DDIM, 150 calls, the paper's own start (global), and no background held even. custom: "
                "your own dials."
            ),
        ),
    ]
