"""Several styles in one attention: weights and masks on the content's canvas, parts of a style image, shared tokens.

Each style answers the same queries in a branch of its own, stacked along the batch before the projections; after the
attention the branches are summed with weights a token. Where the weights do not reach 1, the image's own
self-attention makes up the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

_PADDING = -1e4  # a logit that no fp16 softmax lets through


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
    if count not in (1, chunk):
        raise ValueError(f"{count} masks for {chunk} images; use one mask, or as many as images.")
    stacked = torch.stack([share.expand(count, -1, -1) for share in shares])
    total = stacked.sum(0)
    stacked = stacked / total.clamp_min(1)
    return stacked.to(dtype), (1 - total).clamp_min(0).to(dtype)


def part_of_style(n_style: torch.Tensor, source_mask: torch.Tensor | None, grid: tuple[int, int]) -> torch.Tensor:
    """The tokens of (B, N, C) that lie in `source_mask`, (1, H, W) on the style image; at least the one most inside."""
    if source_mask is None:
        return n_style
    inside = mask_on_grid(source_mask[:1].to(n_style.device), grid)[0, :, 0]
    chosen = torch.nonzero(inside > 0.5).flatten()
    if len(chosen) == 0:
        chosen = inside.argmax()[None]
    return n_style[:, chosen]


def stack_contexts(
    contexts: list[tuple[torch.Tensor, torch.Tensor | None]],
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Branches stacked along the batch, with one bias on the logits.

    Args:
        contexts: (b, N_i, C) and its bias (b, 1, N_i) or None, for each branch.
    Returns:
        (S * b, N, C) and (S * b, 1, N), which also hides the padding of shorter branches; None where nothing is biased.
    """
    longest = max(context.shape[1] for context, _ in contexts)
    stacked = torch.cat([F.pad(context, (0, 0, 0, longest - context.shape[1])) for context, _ in contexts])
    if all(bias is None and context.shape[1] == longest for context, bias in contexts):
        return stacked, None
    biases = []
    for context, bias in contexts:
        bias = context.new_zeros(context.shape[0], 1, context.shape[1]) if bias is None else bias
        biases.append(F.pad(bias, (0, longest - context.shape[1]), value=_PADDING))
    return stacked, torch.cat(biases)


def share_context(n_style: torch.Tensor, n: torch.Tensor, bias: float) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The style's tokens beside the image's own: (b, M + N, C), and `bias` on the style's logits, (b, 1, M + N).

    Source: after Z-STAR (Deng et al. 2024) and StyleAligned (Hertz et al. 2024): shared self-attention.
    """
    context = torch.cat([n_style, n], dim=1)
    if bias == 0:
        return context, None
    logits = n.new_zeros(n.shape[0], 1, context.shape[1])
    logits[..., : n_style.shape[1]] = bias
    return context, logits


def sum_branches(out: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(S * b, N, C) attention outputs summed over the S branches with weights (S, b or 1, N, 1)."""
    branches = out.unflatten(0, (weights.shape[0], -1))
    if branches.shape[1] != weights.shape[1] and weights.shape[1] != 1:
        weights = weights.repeat(1, branches.shape[1] // weights.shape[1], 1, 1)
    return (branches * weights).sum(0)
