"""What an inversion leaves behind: what the attention of each chosen layer read at each level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    def of(cls, name: str, available: Mapping[LayerKey, SelfAttention]) -> ModelFamily:
        return cls(name, tuple((layer, spec.channels) for layer, spec in available.items()))


@dataclass(frozen=True, eq=False)
class LevelFeatures:
    """Features of one level. tensors[layer]: (batch, ...), see `FeatureBank.blocks`; grids[layer]: (h, w) of them."""

    tensors: Mapping[LayerKey, torch.Tensor]
    grids: Mapping[LayerKey, tuple[int, int]]


@dataclass(eq=False)
class FeatureBank:
    """Features of one batch of latents, keyed by layer and level. Nothing writes to a bank after its node has run.

    family: the model they came from. sigmas: sampling sigmas, descending, with the final level (usually 0).
    layers: the layers recorded. clean: (batch, C, ..., height, width) the latent that was inverted, in the model's own
    scale. role: "content" or "style", for architectures that keep different tensors of the two.
    blocks[layer]: (levels, batch, ...), level 0 the noisiest. A UNet keeps the normed hidden state that to_q, to_k and
    to_v read: (levels, batch, tokens, channels). Empty where features are computed again while sampling.
    grids[layer]: (h, w) of the tokens.
    residuals[(block, number)]: (levels, batch, channels, h, w), what the residual block of `residual_blocks` put out.
    inputs[level]: like clean, float32 on the CPU, what the network saw at that level's recorded call; with
    `conditioning` (a CONDITIONING on the CPU) enough to compute the features again.
    solver: how the inversion came by those latents; sampling does not depend on it. spacing: of the levels, "" where
    they were given as SIGMAS or are not known.
    """

    family: ModelFamily
    sigmas: torch.Tensor
    layers: tuple[LayerKey, ...]
    clean: torch.Tensor
    role: str = "style"
    blocks: dict[LayerKey, torch.Tensor] = field(default_factory=dict)
    grids: dict[LayerKey, tuple[int, int]] = field(default_factory=dict)
    residual_blocks: tuple[tuple[str, int], ...] = ()
    residuals: dict[tuple[str, int], torch.Tensor] = field(default_factory=dict)
    inputs: dict[int, torch.Tensor] = field(default_factory=dict)
    conditioning: list = field(default_factory=list)
    solver: str = "ddim"
    spacing: str = ""

    def __post_init__(self) -> None:
        self.levels = [float(s) for s in self.sigmas if float(s) > 0]

    @property
    def batch(self) -> int:
        return self.clean.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the latent."""
        return tuple(self.clean.shape[-2:])

    def level_of(self, sigma: float) -> int | None:
        """Index of the recorded level nearest to `sigma`, None outside the recorded range."""
        return nearest_level(sigma, self.levels)

    def level(self, index: int) -> LevelFeatures:
        """The stored features of a level, as views of the blocks."""
        return LevelFeatures({layer: block[index] for layer, block in self.blocks.items()}, self.grids)

    def tensors(self) -> Iterator[torch.Tensor]:
        """All that it keeps, once."""
        yield self.clean
        yield from (*self.blocks.values(), *self.residuals.values(), *self.inputs.values())
        for cross_attn, extra in self.conditioning:
            yield from (each for each in (cross_attn, *extra.values()) if torch.is_tensor(each))

    def nbytes(self) -> int:
        """Bytes that the features take, or the latents where there are none."""
        kept = self.blocks.values() or self.inputs.values()
        return sum(n.numel() * n.element_size() for n in kept)


def predicted_bytes(
    available: Mapping[LayerKey, SelfAttention],
    layers: Iterable[LayerKey],
    latent_shape: Sequence[int],
    steps: int,
    element_size: int,
    tensors: int = 1,
    more_rows: int = 0,
) -> int:
    """Bytes that the features of `steps` levels will take, for a (B, C, ..., H, W) latent.

    tensors: how many of a layer's width are kept of a token. more_rows: kept of a layer as if it had so many tokens
    more.
    """
    height, width = latent_shape[-2:]
    values = 0
    for layer in layers:
        spec = available[layer]
        values += (-(-height // spec.scale) * -(-width // spec.scale) + more_rows) * spec.channels
    return values * tensors * latent_shape[0] * steps * element_size
