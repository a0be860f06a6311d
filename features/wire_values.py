"""What the wires STYLE_KV and CONTENT_QUERY carry."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .feature_bank import FeatureBank


@dataclass(frozen=True, eq=False)
class StyleKV:
    """What the wire STYLE_KV carries: one style. Keys and values come from this bank's features.

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


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
class ContentQuery:
    """What the wire CONTENT_QUERY carries: preserved queries come from this bank's features."""

    bank: FeatureBank
