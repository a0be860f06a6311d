"""What an inversion leaves behind: the hidden state n of each chosen layer at each level."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ..equations.noise_levels import nearest_level
from .layer_key import LayerKey, SelfAttention


@dataclass(frozen=True)
class ModelFamily:
    """What must agree for features of one model to be read by another: kind of model and layer widths.

    A LoRA or a fine-tune of the same architecture stays in the family.
    """

    name: str
    layers: tuple[tuple[LayerKey, int], ...]

    @classmethod
    def of(cls, name: str, available: dict[LayerKey, SelfAttention]) -> ModelFamily:
        return cls(name, tuple((layer, spec.channels) for layer, spec in available.items()))


@dataclass
class FeatureBank:
    """Features of one batch of latents, keyed by level and layer.

    family: the model they came from. sigmas: sampling sigmas, descending, with the final level (usually 0).
    layers: the layers recorded. batch, height, width: shape of the latent, in latent pixels.
    features[level][layer]: (batch, tokens, channels), the normed hidden state that to_q, to_k and to_v read;
    level 0 is the noisiest. Empty where they are computed again while sampling. grids[layer]: (h, w) of the tokens.
    clean: (batch, C, height, width) the latent that was inverted, in the model's own scale.
    residuals[level][(block, number)]: (batch, channels, h, w), what the residual block of `residual_blocks` put out.
    inputs[level]: (batch, C, height, width) float32 on the CPU, what the network saw at that level's recorded call;
    with `conditioning` (a CONDITIONING on the CPU) enough to compute the features again.
    solver: how the inversion came by those latents; sampling does not depend on it. spacing: of the levels, "" where
    they were given as SIGMAS or are not known.
    """

    family: ModelFamily
    sigmas: torch.Tensor
    layers: tuple[LayerKey, ...]
    clean: torch.Tensor
    features: dict[int, dict[LayerKey, torch.Tensor]] = field(default_factory=dict)
    grids: dict[LayerKey, tuple[int, int]] = field(default_factory=dict)
    residual_blocks: tuple[tuple[str, int], ...] = ()
    residuals: dict[int, dict[tuple[str, int], torch.Tensor]] = field(default_factory=dict)
    inputs: dict[int, torch.Tensor] = field(default_factory=dict)
    conditioning: list = field(default_factory=list)
    solver: str = "ddim"
    spacing: str = ""

    def __post_init__(self) -> None:
        self.levels = [float(s) for s in self.sigmas if float(s) > 0]

    @property
    def batch(self) -> int:
        return self.clean.shape[0]

    def level_of(self, sigma: float) -> int | None:
        """Index of the recorded level nearest to `sigma`, None outside the recorded range."""
        return nearest_level(sigma, self.levels)

    def nbytes(self) -> int:
        """Bytes that the features take, or the latents where there are none."""
        kept = [n for layers in self.features.values() for n in layers.values()] or self.inputs.values()
        return sum(n.numel() * n.element_size() for n in kept)


@dataclass(frozen=True)
class StyleKV:
    """What the wire STYLE_KV carries: one style. Keys and values come from this bank's hidden states.

    weight: share of this style, >= 0. mask: (B or 1, H, W) in 0..1, where on the content's canvas the style acts.
    source_mask: (B or 1, H, W), which part of the style image gives texture.
    """

    bank: FeatureBank
    weight: float = 1.0
    mask: torch.Tensor | None = None
    source_mask: torch.Tensor | None = None

    @property
    def parts(self) -> tuple[StyleKV, ...]:
        """The styles in it."""
        return (self,)

    @property
    def batch(self) -> int:
        """How many style images there are to pair with."""
        return self.bank.batch


@dataclass(frozen=True)
class StyleMix:
    """What the wire STYLE_KV carries after Blend: several styles, or one that is masked, weighted or shared.

    share: the style's tokens stand beside the image's own instead of replacing them. share_bias: added to the
    logits of the style's tokens then; 0 puts both on an equal footing, higher gives more style.
    """

    parts: tuple[StyleKV, ...]
    share: bool = False
    share_bias: float = 0.0

    @property
    def bank(self) -> FeatureBank:
        """The first style's, for the levels and layers that all have."""
        return self.parts[0].bank

    @property
    def batch(self) -> int:
        """How many style images there are to pair with."""
        return max(part.bank.batch for part in self.parts)


@dataclass(frozen=True)
class ContentQuery:
    """The wire type CONTENT_QUERY: preserved queries come from this bank's hidden states."""

    bank: FeatureBank


def predicted_bytes(
    available: dict[LayerKey, SelfAttention],
    layers: tuple[LayerKey, ...],
    latent_shape: tuple[int, ...],
    steps: int,
    element_size: int,
) -> int:
    """Bytes that the features of `steps` levels will take, for a (B, C, H, W) latent."""
    batch, _, height, width = latent_shape
    values = 0
    for layer in layers:
        spec = available[layer]
        values += -(-height // spec.scale) * -(-width // spec.scale) * spec.channels
    return values * batch * steps * element_size
