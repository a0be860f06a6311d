"""What one network call injects, whatever the architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from ..equations.token_grid import match_batch
from ..features.feature_bank import FeatureBank, LevelFeatures
from ..features.layer_key import LayerKey
from ..features.wire_values import StyleKV, StyleMix
from .joint_call import JointCall
from .picture_area import Area, crop_tokens
from .sigma_dials import SigmaDials


@dataclass(frozen=True, eq=False)
class InjectedCall:
    """Of the injection: style, settings. Of this call:

    layers: where it injects. styles: those parts of `style` that have a level here. content: whose queries are kept,
    None where none are. gamma: of this level. background: (b, 1, H, W) in 0..1, how far each place of the content is
    kept even, None where none is.
    features: of each bank that is stored or was computed before the call. joint: banks that ride along in the batch
    instead, their features among those of its rows.
    chunk: images of one conditioning. areas: what of the picture each conditioning sees, None where another node has
    cut it. residuals[(block, number)]: (b, channels, h, w) of the content.
    """

    style: StyleKV | StyleMix
    settings: SigmaDials
    layers: frozenset[LayerKey]
    styles: Sequence[StyleKV]
    content: FeatureBank | None
    gamma: float
    features: Mapping[FeatureBank, LevelFeatures]
    joint: JointCall | None
    chunk: int
    areas: Sequence[Area | None]
    residuals: Mapping[tuple[str, int], torch.Tensor] = field(default_factory=dict)
    background: torch.Tensor | None = None

    def __post_init__(self) -> None:
        placed = self.content is not None or self.residuals or any(part.mask is not None for part in self.styles)
        if None in self.areas and placed:
            raise ValueError(
                "another node shows the network a cut or resized picture (tiled sampling does this), so the content's "
                "queries, residual features and masks have no place on it. Remove that node, or set gamma, "
                "flat_background and feature_strength to 0 and use no masks."
            )

    def gamma_of(self, layer: LayerKey) -> float:
        """Query preservation in a layer, 0 .. 1."""
        return self.gamma * self.settings.layer_gamma.get(layer, 1.0)

    def background_on(self, wanted: tuple[int, int], like: torch.Tensor) -> torch.Tensor | None:
        """`background` as the tokens of a grid see it, (chunk * conditionings, h' * w', 1), on the device of `like`."""
        if self.background is None:
            return None
        found = self.background.to(like.device)
        return self.of_chunks(found.flatten(2).transpose(1, 2), tuple(found.shape[-2:]), wanted)

    def of_chunks(self, features: torch.Tensor, grid: tuple[int, int], wanted: tuple[int, int]) -> torch.Tensor:
        """Features of the whole content as the conditionings of the batch see it.

        Args:
            features: (1 or chunk, h * w, C) on the grid (h, w). wanted: (h', w') of what a conditioning sees.
        Returns:
            (chunk * conditionings, h' * w', C).
        """
        if len(set(self.areas)) == 1:
            return match_batch(crop_tokens(features, grid, self.areas[0], wanted), self.chunk, len(self.areas))
        return torch.cat([match_batch(crop_tokens(features, grid, area, wanted), self.chunk, 1) for area in self.areas])
