"""Recording what a transformer's layers leave behind."""

from __future__ import annotations

import torch

from ...equations.token_attention import tokens_of
from ...features.layer_key import LayerKey
from ...features.level_recorder import LevelRecorder
from .attention_hook import Attend, Tokens
from .token_features import pack_style, style_tokens


class TokenRecording:
    """An `Act` of AttentionHook that changes nothing: the image's queries of a content, keys and values of a style."""

    def __init__(self, recorder: LevelRecorder, rows: slice):
        """rows: of the batch, those to record."""
        self.recorder, self.rows = recorder, rows

    def __call__(self, layer: LayerKey, attend: Attend, q, k, v, mask, tokens: Tokens) -> torch.Tensor:
        mine = [tokens_of(tokens.split(x[self.rows]), 2, tokens.image) for x in (q, k, v)]
        found = pack_style(style_tokens(*mine)) if self.recorder.role == "style" else mine[0]
        self.recorder.record(layer, found, tokens.grid)
        return attend(q, k, v, mask)
