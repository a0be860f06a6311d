"""The inputs that DDIMInvert and StyleKVCapture have in common; other nodes take single ones of them."""

from __future__ import annotations

from comfy_api.latest import io

from .layers_input import layers_input
from .storage_inputs import storage_input

STEPS = (
    "Number of noise levels. More: a closer inversion and a finer result, and more time and memory. 11 are "
    "enough with solver multistep and spacing linspace; the paper uses 50 with ddim and leading."
)
"""The tooltip of steps in the nodes that invert."""


def inversion_inputs(latent_tooltip: str, steps_tooltip: str = "") -> list:
    """model, conditioning, latent, steps, refinement, layers, storage, sigmas: a public order, append only."""
    return [
        io.Model.Input(
            "model",
            tooltip=(
                "SD 1.x, SD 2.x, SDXL, or a flow-matching transformer: Flux, Chroma, Z-Image, Qwen-Image, SD 3.5, "
                "Krea 2, Anima and more. Use the same model in every CellStyle node."
            ),
        ),
        conditioning_input(),
        io.Latent.Input("latent", tooltip=latent_tooltip),
        steps_input(STEPS + steps_tooltip),
        refinement_input(
            "Fixed-point repeats of every step. Each adds as many network calls as there are steps and brings the "
            "inversion much closer to exact: 10 steps with 1 repeat beat 50 plain steps. 0 is the paper's DDIM."
        ),
        layers_input(),
        storage_input(),
        io.Sigmas.Input(
            "sigmas",
            optional=True,
            tooltip="Noise levels of a scheduler node, instead of steps. Give style and content the same.",
        ),
    ]


def conditioning_input(raw_link: bool = False):
    """What the model is told; raw_link: as a node that expands takes it."""
    tooltip = "What the model is told it sees; the paper uses an empty prompt."
    return io.Conditioning.Input("conditioning", raw_link=raw_link or None, tooltip=tooltip)


def steps_input(tooltip: str = STEPS):
    """The number of noise levels; a new node has the fast inversion's."""
    return io.Int.Input("steps", default=11, min=1, max=999, tooltip=tooltip)


def refinement_input(tooltip: str):
    """Repeats of a step; a new node has none."""
    return io.Int.Input("refinement", default=0, min=0, max=10, advanced=True, tooltip=tooltip)
