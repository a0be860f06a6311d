"""What the sampling nodes refuse, in words, before anything runs."""

from __future__ import annotations

import torch

from ..attention_patch.architectures.architecture import Architecture
from ..attention_patch.model_patch import injections_on
from ..attention_patch.sigma_dials import SigmaDials
from ..equations.rotary import STYLE_POSITIONS
from ..features.feature_bank import FeatureBank, ModelFamily


def check_uninjected(name: str, model) -> None:
    """Raises ValueError where a MODEL that is to be inverted carries a style injection."""
    if injections_on(model):
        raise ValueError(
            f"the model connected to {name} carries a style injection (Cell Style Apply), so the inversion would "
            "already be stylised. Connect the model from before that node."
        )


def check_no_overlap(model, settings: SigmaDials) -> None:
    """Raises ValueError where a MODEL already injects a style in some of these layers at some of these steps."""
    for other in (injection.settings for injection in injections_on(model)):
        shared = [layer for layer in settings.layers if layer in other.layers]
        overlap = min(settings.sigma_start, other.sigma_start) > max(settings.sigma_end, other.sigma_end)
        if shared and overlap:
            raise ValueError(
                "the model already carries a style injection (Cell Style Apply) in the same layers "
                f"({shared[0]}) at the same steps. Put several styles together with Cell "
                "Style Blend, or give each its own layers, or its own start_percent and end_percent."
            )


def check_token_dials(architecture: Architecture, style_position: str, qk_adain: float) -> None:
    """Raises ValueError where a MODEL is asked for what its family has not."""
    if style_position not in STYLE_POSITIONS:
        raise ValueError(f"style_position is {style_position!r}; choose one of {', '.join(STYLE_POSITIONS)}.")
    if style_position != STYLE_POSITIONS[0] and not architecture.has_positions:
        raise ValueError(
            f"style_position is {style_position}, but this {architecture.kind} has no rotary positions that could be "
            "changed (UNets, SD 3 and AuraFlow have none). Set it to own."
        )
    if qk_adain and not architecture.keeps_qk:
        raise ValueError(
            f"qk_adain is {qk_adain:g}, but a {architecture.kind} is injected before its queries and keys are made. "
            "Set it to 0; adain_rate of Cell Style Settings does the like on the latent."
        )


def check_inverted(name: str, inverted: torch.Tensor) -> None:
    """Raises ValueError where an inversion has come to NaN or infinity."""
    if not bool(torch.isfinite(inverted).all()):
        raise ValueError(
            f"{name}: the inversion came to NaN or infinite values, so the model overflows at its precision. Load it "
            "in another one: weight_dtype of Load Diffusion Model, or start ComfyUI with --fp32-unet or --bf16-unet."
        )


def check_family(what: str, bank: FeatureBank, family: ModelFamily) -> None:
    """Raises ValueError where a bank was captured with a model of another family."""
    if bank.family != family:
        theirs, ours = _describe(bank.family), _describe(family)
        raise ValueError(
            f"{what} was captured with another kind of model ({theirs}) than the one connected here ({ours}). "
            "Connect the same model to every CellStyle node of the graph."
        )


def check_latent(
    latent: dict, architecture: Architecture | None = None, what: str = "latent", ndim: int = 4
) -> torch.Tensor:
    """The samples of a LATENT that can be inverted or sampled.

    Returns: (B, C, H, W), or (B, C, 1, H, W) for models whose latents have frames.
    Raises: ValueError: missing, nested (video and audio), more than one frame, not 4-D, empty batch, wrong channel
        count, NaN or infinite.
    """
    samples = latent.get("samples") if isinstance(latent, dict) else None
    if not torch.is_tensor(samples) or getattr(samples, "is_nested", False):
        raise ValueError(f"{what} holds no image latent; connect the LATENT of VAE Encode.")
    expected = architecture.latent_ndim if architecture else ndim
    if expected == 5 and samples.ndim == 4:
        samples = samples.unsqueeze(2)  # as ComfyUI does
    if samples.ndim == 5 and samples.shape[2] > 1:
        raise ValueError(
            f"{what} is a video of {samples.shape[2]} frames (in the latent); CellStyle works on single pictures. Take "
            "one frame, or encode the frames as a batch of pictures."
        )
    if samples.ndim != expected or samples.numel() == 0:
        raise ValueError(
            f"{what} has shape {tuple(samples.shape)}; a batch of image latents (batch, channels, height, width) "
            "with at least one image is expected. Connect the LATENT of VAE Encode."
        )
    if architecture is not None:
        channels = architecture.model.get_model_object("latent_format").latent_channels
        if samples.shape[1] != channels:
            raise ValueError(
                f"{what} has {samples.shape[1]} channels, the model works with {channels}. Encode the image with the "
                "VAE of this model."
            )
    if not bool(torch.isfinite(samples).all()):
        raise ValueError(
            f"{what} contains NaN or infinite values. The node before it failed silently: try the VAE in fp32, or "
            "look at the image it encodes."
        )
    return samples


def check_not_blank(samples: torch.Tensor, what: str = "latent") -> None:
    """Raises ValueError for an all-zero latent: there is no picture in it to invert."""
    if not bool(samples.any()):
        raise ValueError(
            f"{what} is empty (all zeros, as Empty Latent Image makes it): there is no picture to invert. "
            "Connect Load Image through VAE Encode."
        )


def _describe(family: ModelFamily) -> str:
    widths = sorted({channels for _, channels in family.layers})
    return f"{family.name}, {len(family.layers)} self-attention layers of width {'/'.join(map(str, widths))}"
