"""A LoRA for the tiny SD 1.5 model's self-attention."""

from __future__ import annotations

import torch

_WIDTHS = {6: 64, 7: 64, 8: 64, 9: 32, 10: 32, 11: 32}


def lora(projections: tuple[str, ...] = ("to_q", "to_k", "to_v"), rank: int = 4) -> dict[str, torch.Tensor]:
    """The tensors of a LoRA file: random, for the decoder layers on the two finest token grids."""
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    for block, width in _WIDTHS.items():
        for projection in projections:
            name = f"lora_unet_output_blocks_{block}_1_transformer_blocks_0_attn1_{projection}"
            tensors[f"{name}.lora_up.weight"] = torch.randn(width, rank, generator=generator) / rank**0.5
            tensors[f"{name}.lora_down.weight"] = torch.randn(rank, width, generator=generator) / width**0.5
            tensors[f"{name}.alpha"] = torch.tensor(float(rank))
    return tensors
