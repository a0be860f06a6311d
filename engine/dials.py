"""The dials of an inversion and of an injection, as the nodes hand them to the engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from ..common.word_lists import words_of
from ..equations.rotary import STYLE_POSITIONS
from ..features.layer_key import LayerKey


@dataclass(frozen=True)
class InversionDials:
    """How to invert, and what to keep of it.

    steps: network calls without refinement, at the levels of `spacing`; both are ignored where `sigmas` (a scheduler's
    SIGMAS) is given. refinement: fixed-point repeats a step, each `steps` more calls. layers: see
    `Architecture.select`. storage, feature_precision: see `choose_storage`. residual_features: decoder blocks whose
    residual output is recorded too, "" for none. solver: see `sample_ddim_inversion`.
    """

    steps: int = 50
    refinement: int = 0
    layers: str = "auto"
    storage: str = "auto"
    sigmas: torch.Tensor | None = None
    residual_features: str = ""
    feature_precision: str = "full"
    solver: str = "ddim"
    spacing: str = "leading"


@dataclass(frozen=True)
class StyleSettings:
    """What the wire CELLSTYLE_SETTINGS carries. Percents are 0 .. 1 of the sampling, 0 the noisiest.

    query_start, query_end: where the content's queries are kept (DiffuseST). layer_gamma: text, "output.6-8: 1,
    output.9-11: 0.5", factors on gamma. adain_rate: 0 .. 1, share of the style's statistics that the predicted clean
    latent takes at every step between adain_start and adain_end (STRDP). trained_size: 0 for off, or the side in
    pixels that the model was trained at; tau then follows the number of tokens. feature_strength: 0 .. 1 of the
    content's residual features until feature_end (plug-and-play). flat_background: 0 .. 1, how far the content's even
    background is kept even, see `equations/flat_background.py`.
    """

    query_start: float = 0.0
    query_end: float = 1.0
    layer_gamma: str = ""
    adain_rate: float = 0.0
    adain_start: float = 0.0
    adain_end: float = 0.8
    trained_size: int = 0
    feature_strength: float = 0.0
    feature_end: float = 0.8
    flat_background: float = 0.0


@dataclass(frozen=True)
class Dials:
    """How to inject. gamma, gamma_end: query preservation, 0 .. 1, at the first and the last step of gamma_curve. tau:
    attention temperature, > 0. layers: see `Architecture.select`. start_percent, end_percent: 0 .. 1 of the sampling.
    settings: the finer dials, their defaults if None. style_position: one of STYLE_POSITIONS; qk_adain: 0 .. 1, share
    of the style's statistics that queries and keys take; both for transformers."""

    gamma: float = 0.75
    tau: float = 1.5
    gamma_curve: str = "constant"
    gamma_end: float = 0.75
    layers: str = "auto"
    start_percent: float = 0.0
    end_percent: float = 1.0
    settings: StyleSettings | None = None
    style_position: str = STYLE_POSITIONS[0]
    qk_adain: float = 0.0

    @property
    def fine(self) -> StyleSettings:
        return self.settings or StyleSettings()

    @property
    def keeps_queries(self) -> bool:
        """Whether the content's queries are kept at some step, all over or on its background alone."""
        return self.keeps_all_queries or self.fine.flat_background > 0

    @property
    def keeps_all_queries(self) -> bool:
        """Whether gamma is above 0 at some step."""
        return self.gamma > 0 or (self.gamma_curve != "constant" and self.gamma_end > 0)


def parse_layer_gamma(text: str, select: Callable[[str], Sequence[LayerKey]]) -> dict[LayerKey, float]:
    """ "output.6-8: 1, output.9-11: 0.5" as a factor for each layer; layers not named keep 1.

    select: gives the layers of a word, see `Architecture.select`.
    Source: Kulkarni 2026 (arXiv 2605.26538): gamma falling from shallow to deep layers.
    Raises: ValueError that quotes the part that is wrong.
    """
    factors: dict[LayerKey, float] = {}
    for part in words_of(text, r",;\n"):
        name, colon, number = part.partition(":")
        try:
            factor = float(number)
        except ValueError:
            factor = math.nan
        if not colon or not 0 <= factor <= 1:
            raise ValueError(
                f'layer_gamma: "{part}" is not understood; write blocks and a factor from 0 to 1, such as '
                "output.6-8: 1, output.9-11: 0.5"
            )
        factors.update(dict.fromkeys(select(name), factor))
    return factors
