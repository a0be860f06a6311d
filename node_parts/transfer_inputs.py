"""The inputs of the nodes that take a picture through the whole transfer in pieces, and what they do with them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import comfy.model_management
import torch
from comfy_api.latest import io

from ..engine.dials import Dials, InversionDials, StyleSettings
from ..engine.invert import invert_and_record
from ..equations.ddim_inversion import SOLVERS
from ..equations.noise_levels import SPACINGS
from ..features.wire_values import StyleKV
from .dial_inputs import injection_inputs, settings_input
from .inversion_inputs import conditioning_input, refinement_input, steps_input
from .presets import CUSTOM, TransferDials, chosen_dials, preset_inputs
from .storage_inputs import storage_input

RESIDUAL_BLOCKS = "output.4"
"""What feature_strength of Cell Style Settings works on, as its help says."""

STARTS = ("noise-preserving", "global")
"""The modes of Latent AdaIN that make sense for a picture in pieces."""


def piecewise_inputs(content_tooltip: str, style_tooltip: str) -> list:
    """model, conditioning, vae, content, style, gamma, tau, strength, start, steps, solver, spacing, refinement,
    gamma_curve, gamma_end, storage: a public order, append only."""
    dials = {dial.id: dial for dial in injection_inputs()}
    return [
        io.Model.Input("model", tooltip="The model that both pictures go through."),
        conditioning_input(),
        io.Vae.Input("vae", tooltip="The VAE of the model."),
        io.Image.Input("content", tooltip=content_tooltip),
        io.Image.Input("style", tooltip=style_tooltip),
        dials["gamma"],
        dials["tau"],
        io.Float.Input(
            "strength",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip=(
                "How much of the style's palette and contrast to take, by one AdaIN over the whole. 0 keeps the "
                "content's colours, 1 is the paper's."
            ),
        ),
        io.Combo.Input(
            "start",
            options=list(STARTS),
            default=STARTS[0],
            advanced=True,
            tooltip=(
                "What that AdaIN works on. noise-preserving: the picture in the noise, so that flat backgrounds stay "
                "flatter. global: the noise itself, as in the paper."
            ),
        ),
        steps_input("Number of noise levels. More: a closer inversion and a finer result, and more time."),
        io.Combo.Input(
            "solver",
            options=list(SOLVERS),
            default="multistep",
            advanced=True,
            tooltip="How a step is inverted. multistep: 11 steps come closer to exact than 50 of ddim, the paper's.",
        ),
        io.Combo.Input(
            "spacing",
            options=list(SPACINGS),
            default="linspace",
            advanced=True,
            tooltip="Where the steps lie. linspace: few steps start at the noise of many. leading: the paper's.",
        ),
        refinement_input(
            "Fixed-point repeats of every step: each brings the inversion closer to exact, for as many calls."
        ),
        dials["gamma_curve"],
        dials["gamma_end"],
        storage_input(),
    ]


def look_inputs() -> list:
    """preset, speed, settings, all optional: a public order, append only. The last inputs of their nodes."""
    return [*preset_inputs(), settings_input()]


class Chosen(NamedTuple):
    """inversion: of content and style. strength, start: of the AdaIN before the sampling."""

    inversion: InversionDials
    dials: Dials
    strength: float
    start: str

    @property
    def style_inversion(self) -> InversionDials:
        """The same without residual features, which only the content has."""
        return replace(self.inversion, residual_features="")


def split_dials(
    gamma,
    tau,
    gamma_curve,
    gamma_end,
    strength,
    start,
    steps,
    solver,
    spacing,
    refinement,
    storage,
    preset=CUSTOM,
    speed=CUSTOM,
    settings: StyleSettings | None = None,
) -> Chosen:
    """How to invert, to start and to inject, of the inputs above; a preset goes before the dials that it sets."""
    fine = settings or StyleSettings()
    own = TransferDials(
        *(gamma, tau, gamma_curve, gamma_end, strength, start, fine.adain_rate, fine.adain_end),
        *(steps, solver, spacing, fine.flat_background),
    )
    d = chosen_dials(preset, speed, own)
    fine = replace(fine, adain_rate=d.adain_rate, adain_end=d.adain_end, flat_background=d.flat_background)
    inversion = InversionDials(
        d.steps,
        refinement,
        storage=storage,
        residual_features=RESIDUAL_BLOCKS if fine.feature_strength else "",
        solver=d.solver,
        spacing=d.spacing,
    )
    dials = Dials(d.gamma, d.tau, d.gamma_curve, d.gamma_end, settings=fine)
    return Chosen(inversion, dials, d.strength, d.start)


def check_pictures(image: torch.Tensor, what: str) -> torch.Tensor:
    """(B, H, W, 3) of an IMAGE. Raises ValueError for what is no batch of pictures."""
    if not torch.is_tensor(image) or image.ndim != 4 or image.numel() == 0 or image.shape[-1] < 3:
        shape = tuple(image.shape) if torch.is_tensor(image) else type(image).__name__
        raise ValueError(f"{what} is {shape}; a batch of pictures (batch, height, width, 3) is expected.")
    return image[..., :3]


def encode(vae, pictures: torch.Tensor) -> torch.Tensor:
    """Latents of pictures (B, H, W, 3); first raises where ComfyUI was interrupted."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    return vae.encode(pictures)


def decode(vae, latents: torch.Tensor) -> torch.Tensor:
    """Pictures (B, H, W, 3) of latents; first raises where ComfyUI was interrupted."""
    comfy.model_management.throw_exception_if_processing_interrupted()
    pictures = vae.decode(latents)
    return pictures.reshape(-1, *pictures.shape[-3:])


def capture_style(
    name: str, model, conditioning, latent: torch.Tensor, inversion: InversionDials, progress
) -> tuple[StyleKV, dict]:
    """STYLE_KV of latents (B, C, h, w), and the LATENT that they were inverted to."""
    inverted, bank = invert_and_record(name, model, conditioning, {"samples": latent}, inversion, "style", progress)
    return StyleKV(bank), inverted
