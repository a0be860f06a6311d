"""Flux.1, Flux.2, Klein, LongCat and Chroma: double blocks of text and image, then single blocks of both together."""

from __future__ import annotations

from ...equations.rotary import Rotary
from .token_architecture import TokenArchitecture


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
        """LongCat's picture stands behind the text on both axes; in older ComfyUIs always behind 512 places."""
        if type(self.model.model).__name__ != "LongCatImage":
            return ()
        asks_for_the_length = "shape" in type(self.model.model)._apply_model.__code__.co_names
        return (0, 1, 1) if asks_for_the_length else ()


class Chroma(Flux):
    network_class = "Chroma"
    models = "Chroma"
    assumed_guidance = None
