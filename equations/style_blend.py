"""Several styles in one attention: weights and masks on the content's canvas, parts of a style image, shared tokens.

Each style answers the same queries in a branch of its own, stacked along the batch before the projections; after the
attention the branches are summed with weights a token. Where the weights do not reach 1, the image's own
self-attention makes up the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from ..common.pairing import one_or_all


class Branch(NamedTuple):
    """What one style's keys and values are made from: context (b, N, C), bias (b, 1, N) on their logits or None. tau:
    factor on the projected queries, 1 where it is in the hidden state already."""

    context: torch.Tensor
    bias: torch.Tensor | None = None
    tau: float = 1.0


class Keys(NamedTuple):
    """How a row of the batch attends: to its first `count` keys (the rest is padding), with a bias (1, count) on their
    logits or None, and its projected queries times `tau`."""

    count: int
    bias: torch.Tensor | None = None
    tau: float = 1.0


def mask_on_grid(mask: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """(B, H, W) mask in 0..1 as (B, h * w, 1), averaged over each token so that soft edges stay soft."""
    if mask.ndim == 2:
        mask = mask[None]
    resized = F.interpolate(mask[:, None].float(), size=grid, mode="area")
    return resized.clamp(0, 1).flatten(2).transpose(1, 2)


def branch_weights(
    weights: Sequence[float], masks: Sequence[torch.Tensor | None], grid: tuple[int, int], chunk: int, device, dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Share of every style, and of the image's own attention, at every token.

    Args:
        weights: one a style, >= 0. masks: (B or 1, H, W) each, or None for everywhere.
        grid: (h, w) of the sampled image's tokens. chunk: images of one conditioning.
    Returns:
        (S, chunk or 1, h * w, 1) and (chunk or 1, h * w, 1). Where the styles' sum is above 1 they are scaled to 1.
    """
    shares = []
    for weight, mask in zip(weights, masks, strict=True):
        if mask is None:
            share = torch.full((1, 1, 1), weight, device=device)
        else:
            share = weight * mask_on_grid(mask.to(device), grid)
        shares.append(share.expand(max(share.shape[0], 1), grid[0] * grid[1], 1))
    count = max(share.shape[0] for share in shares)
    if not one_or_all(count, chunk):
        raise ValueError(f"{count} masks for {chunk} images; use one mask, or as many as images.")
    stacked = torch.stack([share.expand(count, -1, -1) for share in shares])
    total = stacked.sum(0)
    stacked = stacked / total.clamp_min(1)
    return stacked.to(dtype), (1 - total).clamp_min(0).to(dtype)


def part_of_style(n_style: torch.Tensor, source_mask: torch.Tensor | None, grid: tuple[int, int]) -> torch.Tensor:
    """The tokens of (B, N, C) that lie in `source_mask`, (1, H, W) on the style image; at least the one most inside."""
    return n_style if source_mask is None else n_style[:, tokens_inside(source_mask, grid, n_style.device)]


def tokens_inside(source_mask: torch.Tensor, grid: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Numbers of the tokens that lie in `source_mask`, (1, H, W) on the style image; at least the one most inside."""
    inside = mask_on_grid(source_mask[:1].to(device), grid)[0, :, 0]
    chosen = torch.nonzero(inside > 0.5).flatten()
    return chosen if len(chosen) else inside.argmax()[None]


def stack_branches(branches: list[Branch]) -> tuple[torch.Tensor, list[Keys] | None]:
    """Branches stacked along the batch, padded to one number of tokens, as the projections need it.

    Returns:
        (S * b, N, C), and how each of its rows attends; None where that is the plain attention to all keys.
    """
    longest = max(branch.context.shape[1] for branch in branches)
    stacked = torch.cat([F.pad(branch.context, (0, 0, 0, longest - branch.context.shape[1])) for branch in branches])
    if all(branch[1:] == (None, 1.0) and branch.context.shape[1] == longest for branch in branches):
        return stacked, None
    rows = []
    for context, bias, tau in branches:
        rows += [Keys(context.shape[1], None if bias is None else bias[i], tau) for i in range(context.shape[0])]
    return stacked, rows


def attend_by_length(
    attend: Callable[..., torch.Tensor], q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rows: Sequence[Keys]
) -> torch.Tensor:
    """One attention for each number of keys, so that no mask is needed to hide the padding.

    Attention back ends differ in what they do with a mask, and some drop it; only a bias on the logits still needs one.

    Args:
        attend: (q, k, v, mask (b, 1, N) or None) -> (b, ...). q, k, v: (B, ..., tokens, d). rows: B of them.
    Returns:
        what `attend` returns for all rows, in their order.
    """
    if any(keys.tau != 1 for keys in rows):
        q = q * q.new_tensor([keys.tau for keys in rows]).view(-1, *[1] * (q.ndim - 1))
    groups: dict[tuple[int, bool], list[int]] = {}
    for i, keys in enumerate(rows):
        groups.setdefault((keys.count, keys.bias is not None), []).append(i)
    found, order = [], []
    for (count, biased), members in groups.items():
        mask = torch.stack([rows[i].bias for i in members]) if biased else None
        found.append(attend(q[members], k[members][..., :count, :], v[members][..., :count, :], mask))
        order += members
    return torch.cat(found)[torch.tensor(order).argsort().to(q.device)]


def share_context(n_style: torch.Tensor, n: torch.Tensor, bias: float, tau: float = 1.0) -> Branch:
    """The style's tokens (b, M, C) beside the image's own (b, N, C), with `bias` on the style's logits.

    Source: after Z-STAR (Deng et al. 2024) and StyleAligned (Hertz et al. 2024): shared self-attention.
    """
    context = torch.cat([n_style, n], dim=1)
    if bias == 0:
        return Branch(context, None, tau)
    logits = n.new_zeros(n.shape[0], 1, context.shape[1])
    logits[..., : n_style.shape[1]] = bias
    return Branch(context, logits, tau)


def sum_branches(out: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(S * b, N, C) attention outputs summed over the S branches with weights (S, b or 1, N, 1)."""
    branches = out.unflatten(0, (weights.shape[0], -1))
    if branches.shape[1] != weights.shape[1] and weights.shape[1] != 1:
        weights = weights.repeat(1, branches.shape[1] // weights.shape[1], 1, 1)
    return (branches * weights).sum(0)
