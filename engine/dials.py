"""The finer dials, as one value that Cell Style Settings hands to the samplers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..common.word_lists import words_of
from ..features.layer_key import LayerKey


@dataclass(frozen=True)
class StyleSettings:
    """What the wire CELLSTYLE_SETTINGS carries. Percents are 0 .. 1 of the sampling, 0 the noisiest.

    query_start, query_end: where the content's queries are kept (DiffuseST). layer_gamma: text, "output.6-8: 1,
    output.9-11: 0.5", factors on gamma. adain_rate: 0 .. 1, share of the style's statistics that the predicted clean
    latent takes at every step between adain_start and adain_end (STRDP). trained_size: 0 for off, or the side in
    pixels that the model was trained at; tau then follows the number of tokens. feature_strength: 0 .. 1 of the
    content's residual features until feature_end (plug-and-play).
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
