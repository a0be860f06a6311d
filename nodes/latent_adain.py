"""LatentAdaIN: the sampling's start. StyleID (Chung et al. 2024), section 4.3; Kim et al. 2024 (patches)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from comfy_api.latest import io

from ..common.pairing import one_or_all
from ..engine.inverted_latent import check_same_start, clean_of, inversion_of, restarted
from ..engine.latents import with_samples
from ..equations.adain import adain, pair_batches, patch_adain
from ..equations.high_pass import high_pass
from ..equations.noise_preserving_adain import bounded_adain, noise_preserving_start
from ..node_parts.wire_types import CATEGORY

NOISE_PRESERVING, BEFORE_INVERSION = "noise-preserving", "before inversion"
MODES = ("global", "patch", NOISE_PRESERVING, BEFORE_INVERSION)


class LatentAdaIN(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LatentAdaIN",
            display_name="Latent AdaIN",
            category=CATEGORY,
            description=(
                "Gives the content's noise the mean and spread of the style's, channel by channel: the palette and "
                "the overall contrast come from here."
            ),
            search_aliases=["adain", "adaptive instance normalization", "match latent colour", "latent statistics"],
            inputs=[
                io.Latent.Input(
                    "content",
                    tooltip=(
                        "The content's inverted latent, from DDIM Invert. In mode before inversion: its latent from "
                        "VAE Encode."
                    ),
                ),
                io.Latent.Input(
                    "style",
                    tooltip=(
                        "The style's inverted latent, from Style K/V Capture. In mode before inversion: its latent "
                        "from VAE Encode. Any size."
                    ),
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip=(
                        "How much of the style's statistics to take. 0 keeps the content's colours, 1 is the paper's. "
                        "0.6 is the content-aware AdaIN of AttenST (0.6 style, 0.4 content)."
                    ),
                ),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default="global",
                    advanced=True,
                    tooltip=(
                        "global: one mean and spread for the whole image, as in the paper. patch: each region takes "
                        "those of the same region of the style (Kim et al. 2024), so colours stay where they are. "
                        "noise-preserving: as global, but only the picture in the noise takes them and the noise stays "
                        "as it is: flat backgrounds stay flatter, cells on black above all. before inversion: the "
                        "picture takes them before DDIM Invert, so that its noise is its own: flat backgrounds stay "
                        "flat even where nothing is injected."
                    ),
                ),
                io.Int.Input(
                    "patch_size",
                    default=16,
                    min=1,
                    max=1024,
                    advanced=True,
                    tooltip=(
                        "Side of a patch in latent pixels (8 image pixels each), for mode patch. Larger: closer to "
                        "global. Smaller: follows the style's layout more and disturbs the content more."
                    ),
                ),
                io.Float.Input(
                    "high_pass_amount",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "Turns down the content's large areas of light and dark before the AdaIN, and keeps its edges "
                        "(StyleSSP). Higher: flatter shading, the style's own light. 0 is off."
                    ),
                ),
                io.Float.Input(
                    "high_pass_cutoff",
                    default=0.1,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    advanced=True,
                    tooltip="What counts as large: higher reaches down to smaller areas.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent",
                    tooltip="To the latent of Injected Sampler; in mode before inversion, to that of DDIM Invert.",
                )
            ],
        )

    @classmethod
    def execute(cls, content, style, strength, mode, patch_size, high_pass_amount=0.0, high_pass_cutoff=0.1):
        source = "VAE Encode" if mode == BEFORE_INVERSION else "an inversion"
        x_content, x_style = _samples(content, "content", source), _samples(style, "style", source)
        if x_content.ndim != x_style.ndim or x_content.shape[1] != x_style.shape[1]:
            raise ValueError(
                f"content has shape {tuple(x_content.shape)}, style {tuple(x_style.shape)}: the channels (and frames) "
                "differ, so they come from different models. Encode both with the same VAE."
            )
        if x_content.ndim == 5 and not one_or_all(x_style.shape[2], x_content.shape[2]):
            raise ValueError(
                f"content has {x_content.shape[2]} frames, style {x_style.shape[2]}; use one style frame or as many."
            )
        if strength == 0 and high_pass_amount == 0:
            return io.NodeOutput(content)

        def layout(x: torch.Tensor) -> torch.Tensor:
            return high_pass(x, high_pass_amount, high_pass_cutoff)

        if mode == BEFORE_INVERSION:
            return io.NodeOutput(_before_inversion(content, style, strength, layout))
        check_same_start(content, style)
        if mode == NOISE_PRESERVING:
            return io.NodeOutput(_noise_preserving(content, style, strength, layout))
        x_content, x_style = pair_batches(layout(x_content), x_style.to(x_content.device, x_content.dtype))
        styled = _patches(x_content, x_style, patch_size) if mode == "patch" else adain(x_content, x_style)
        return io.NodeOutput(restarted(content, torch.lerp(x_content, styled, strength)))


def with_one_palette(content: dict, style: dict, strength: float, mode: str) -> dict:
    """Latent AdaIN of an inverted LATENT, as the node does it without its patches and its high pass."""
    return LatentAdaIN.execute(content, style, strength, mode, 16).result[0]


def _noise_preserving(content: dict, style: dict, strength: float, layout: Callable) -> dict:
    """The LATENT whose clean latent has the style's statistics, in the content's own noise."""
    x, clean = content["samples"], clean_of(content, "content")
    restyled = _restyled(layout(clean), clean_of(style, "style"), strength)
    x, clean = x.expand_as(restyled), clean.expand_as(restyled)
    start = noise_preserving_start(x, clean, restyled, inversion_of(content).signal)
    return restarted(content, start, restyled)


def _before_inversion(content: dict, style: dict, strength: float, layout: Callable) -> dict:
    """The LATENT of a picture, still to be inverted, with the style's statistics."""
    for latent, what, after in ((content, "content", ", and DDIM Invert after this node"), (style, "style", "")):
        if inversion_of(latent) is not None:
            raise ValueError(f"{what} is inverted already: in mode before inversion connect VAE Encode here{after}.")
    return with_samples(content, _restyled(layout(content["samples"]), style["samples"], strength))


def _restyled(clean: torch.Tensor, clean_style: torch.Tensor, strength: float) -> torch.Tensor:
    """`bounded_adain` of clean latents by a share of strength; one image of either goes with all of the other."""
    clean, clean_style = pair_batches(clean, clean_style.to(clean.device, clean.dtype))
    return torch.lerp(clean, bounded_adain(clean, clean_style), strength)


def _patches(x_content: torch.Tensor, x_style: torch.Tensor, patch_size: int) -> torch.Tensor:
    """`patch_adain` of images or, frame by frame, of videos (B, C, T, H, W)."""
    x_style = x_style.expand(*x_style.shape[:2], *x_content.shape[2:-2], *x_style.shape[-2:])
    shape = x_content.shape
    flat = patch_adain(_as_images(x_content), _as_images(x_style), patch_size)
    return flat.reshape(shape[0], *shape[2:-2], shape[1], *shape[-2:]).movedim(-3, 1)


def _samples(latent: dict, what: str, source: str) -> torch.Tensor:
    samples = latent.get("samples")
    if not torch.is_tensor(samples) or getattr(samples, "is_nested", False) or samples.ndim not in (4, 5):
        raise ValueError(f"{what} holds no image or video latent; connect the output of {source}.")
    if samples.numel() == 0:
        raise ValueError(f"{what} has shape {tuple(samples.shape)}: it is empty. Connect the output of {source}.")
    if not bool(torch.isfinite(samples).all()):
        raise ValueError(f"{what} contains NaN or infinite values; look at the node that made it.")
    return samples


def _as_images(x: torch.Tensor) -> torch.Tensor:
    """(B, C, ..., H, W) as (B * ..., C, H, W)."""
    return x.movedim(1, -3).reshape(-1, x.shape[1], *x.shape[-2:])
