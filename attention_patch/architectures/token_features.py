"""What a transformer's layer leaves behind, as one tensor: queries of a content, keys and values of a style."""

from __future__ import annotations

from typing import NamedTuple

import torch

STATISTICS = 2
"""Rows behind a style's tokens: mean and spread of its queries, for AdaIN of the queries."""


class StyleTokens(NamedTuple):
    """k, v: (b, H, N, D) of the image's tokens. q_mean, q_std: (b, H, 1, D) over the tokens, or None."""

    k: torch.Tensor
    v: torch.Tensor
    q_mean: torch.Tensor | None
    q_std: torch.Tensor | None


def style_tokens(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, statistics: bool = True) -> StyleTokens:
    """q, k, v: (b, H, N, D) of the image's tokens. statistics: whether those of q are wanted."""
    if not statistics:
        return StyleTokens(k, v, None, None)
    std, mean = torch.std_mean(q.float(), 2, keepdim=True, correction=0)
    return StyleTokens(k, v, mean.to(q.dtype), std.to(q.dtype))


def pack_style(found: StyleTokens) -> torch.Tensor:
    """(b, 2, H, N + STATISTICS, D), as a bank keeps it: keys and values, behind the keys the queries' statistics."""
    k, v, mean, std = found
    packed = k.new_zeros(k.shape[0], 2, k.shape[1], k.shape[2] + STATISTICS, k.shape[3])
    packed[:, 0] = torch.cat([k, mean, std], 2)
    packed[:, 1, :, :-STATISTICS] = v
    return packed


def unpack_style(packed: torch.Tensor | StyleTokens) -> StyleTokens:
    """The reverse, as views."""
    if isinstance(packed, StyleTokens):
        return packed
    keys, values = packed.unbind(1)
    end = packed.shape[3] - STATISTICS
    return StyleTokens(keys[:, :, :end], values[:, :, :end], keys[:, :, end : end + 1], keys[:, :, end + 1 :])
