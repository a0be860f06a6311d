"""A mimetic start of self-attention: equal orthogonal query and key projections, scaled to a spread of the logits.

Source: Trockman and Kolter 2023 (mimetic initialisation). Attention leaves a uniform start slowly; from here a token
first looks where tokens are like it, which is what reading a style from another picture asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn


@torch.no_grad()
def start_attention(
    unet: nn.Module,
    blocks: Iterable[int],
    spread: float,
    forward: Callable[[dict], object],
    generator: torch.Generator,
) -> None:
    """In the given output blocks, W_q = W_k orthogonal, logits spread by `spread` over the keys.

    forward(transformer_options) runs the network on a real batch. Blocks are scaled in order, each on what the earlier
    ones, already scaled, give it.
    """
    layers = {block: unet.output_blocks[block][1].transformer_blocks[0].attn1 for block in blocks}
    for layer in layers.values():
        weight = torch.empty(layer.to_q.weight.shape)
        nn.init.orthogonal_(weight, generator=generator)
        for projection in (layer.to_q, layer.to_k):
            projection.weight.copy_(weight)
    for block, layer in layers.items():
        found = logit_spread(block, forward)
        for projection in (layer.to_q, layer.to_k):
            projection.weight.mul_((spread / found) ** 0.5)


def logit_spread(block: int, forward: Callable[[dict], object]) -> float:
    """Standard deviation over the keys of one output block's attention logits, mean over queries and heads."""
    found = []

    def look(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, extra_options: dict) -> torch.Tensor:
        heads = extra_options["n_heads"]
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        logits = q @ k.mT / q.shape[-1] ** 0.5
        found.append(logits.std(dim=-1).mean().item())
        return (logits.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)

    forward({"patches_replace": {"attn1": {("output", block): look}}})
    return found[0]
