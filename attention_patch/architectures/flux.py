"""Flux.1, Flux.2, Klein, LongCat and Chroma: double blocks of text and image, then single blocks of both together."""

from __future__ import annotations

from collections.abc import Mapping

from ...equations.rotary import Rotary
from .token_architecture import TokenArchitecture

_FIXED = 512  # places that older ComfyUIs leave for LongCat's text, however long it is


class Flux(TokenArchitecture):
    network_class = "Flux"
    models = "Flux.1, Flux.2, Klein, LongCat Image"
    stages = {"double": "double_blocks", "single": "single_blocks"}

    @property
    def patch(self) -> int:
        return self.network.patch_size

    @property
    def width(self) -> int:
        return self.network.hidden_size

    @property
    def rotary(self) -> Rotary:
        return Rotary.of(self.network.pe_embedder.axes_dim, self.network.pe_embedder.theta)

    @property
    def assumed_guidance(self) -> float | None:
        return 3.5 if self.network.params.guidance_embed else None

    @property
    def column_axis(self) -> int:
        """Time, rows, columns; Flux.2 has the text's own axis behind them."""
        return 2

    @property
    def text_shift(self) -> tuple[float, ...]:
        """LongCat's picture stands behind the text on both axes."""
        return (0, 1, 1) if type(self.model.model).__name__ == "LongCatImage" else ()

    def text_moves(self, rope: Mapping, texts: int) -> bool:
        """Not in older ComfyUIs, nor where another node says where LongCat's picture stands."""
        place = rope.get("shift_y")
        if place == texts == _FIXED:
            raise ValueError(
                f"style and content have captions of different lengths, one of them of {_FIXED} tokens, for which it "
                "can't be told how this ComfyUI places LongCat's picture. Give all of them one caption."
            )
        return place == texts


class Chroma(Flux):
    network_class = "Chroma"
    models = "Chroma"
    assumed_guidance = None
