"""What the wires STYLE_KV and CONTENT_QUERY carry."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from .feature_bank import FeatureBank


class Weighed(tuple):
    """A wire's value that is also the tuple of the tensors it keeps.

    ComfyUI's cache decides by the tensors in lists and tuples which results to give up first when RAM is short; what it
    cannot see weighs nothing, and everything else goes before it. Two values are equal only if they are the same one.
    """

    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__

    def __new__(cls, *given, **named):
        return tuple.__new__(cls, cls._kept(*given, **named))

    def __getnewargs__(self) -> tuple:
        """What a copy is made from."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    @classmethod
    def _kept(cls, *given, **named) -> Iterator:
        """The tensors, or tuples of them, of a value with these fields."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class StyleKV(Weighed):
    """What the wire STYLE_KV carries: one style. Keys and values come from this bank's features.

    weight: share of this style, >= 0. mask: (B or 1, H, W) in 0..1, where on the content's canvas the style acts.
    source_mask: (B or 1, H, W), which part of the style image gives texture.
    """

    bank: FeatureBank
    weight: float = 1.0
    mask: torch.Tensor | None = None
    source_mask: torch.Tensor | None = None

    @classmethod
    def _kept(cls, bank, weight=1.0, mask=None, source_mask=None) -> Iterator:
        yield from bank.tensors()
        yield from (each for each in (mask, source_mask) if each is not None)

    @property
    def parts(self) -> tuple[StyleKV, ...]:
        """The styles in it."""
        return (self,)

    @property
    def batch(self) -> int:
        """How many style images there are to pair with."""
        return self.bank.batch


@dataclass(frozen=True, eq=False)
class StyleMix(Weighed):
    """What the wire STYLE_KV carries after Blend: several styles, or one that is masked, weighted or shared.

    share: the style's tokens stand beside the image's own instead of replacing them. share_bias: added to the
    logits of the style's tokens then; 0 puts both on an equal footing, higher gives more style.
    """

    parts: tuple[StyleKV, ...]
    share: bool = False
    share_bias: float = 0.0

    @classmethod
    def _kept(cls, parts, share=False, share_bias=0.0) -> Iterator:
        yield from parts

    @property
    def bank(self) -> FeatureBank:
        """The first style's, for the levels and layers that all have."""
        return self.parts[0].bank

    @property
    def batch(self) -> int:
        """How many style images there are to pair with."""
        return max(part.bank.batch for part in self.parts)


@dataclass(frozen=True, eq=False)
class ContentQuery(Weighed):
    """What the wire CONTENT_QUERY carries: preserved queries come from this bank's features.

    background: (B or 1, 1, H, W) in 0..1, where the content is even background by the measure of the whole that it is a
    piece of; found in the bank's own latent where None.
    """

    bank: FeatureBank
    background: torch.Tensor | None = None

    @classmethod
    def _kept(cls, bank, background=None) -> Iterator:
        yield from bank.tensors()
        yield from (each for each in (background,) if each is not None)
