"""The name of a self-attention layer, and the sizes from which the bytes of its features follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class LayerKey(NamedTuple):
    """One self-attention layer, as ComfyUI's `transformer_options` names it: block ("input", "middle", "output" in a
    UNet), the block's number, and the index of the attention in that block (SDXL has several)."""

    block: str
    number: int
    index: int

    def __str__(self) -> str:
        """As a person names it: "output.7"."""
        return f"{self.block}.{self.number}"


@dataclass(frozen=True)
class SelfAttention:
    """channels: width of the tokens that the layer reads; scale: latent pixels along a token's side; limited: its
    projection of the queries clips what goes in."""

    channels: int
    scale: int
    limited: bool = False
