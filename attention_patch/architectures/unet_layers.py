"""Which self-attention layers a UNet has."""

from __future__ import annotations

from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, Upsample

from ...features.layer_key import LayerKey, SelfAttention


def find_self_attention(unet) -> dict[LayerKey, SelfAttention]:
    """All self-attention layers of an SD-type UNet, in the order they run."""
    found: dict[LayerKey, SelfAttention] = {}
    scale = 1
    stages = [
        *(("input", i, block) for i, block in enumerate(unet.input_blocks)),
        ("middle", 0, unet.middle_block),
        *(("output", i, block) for i, block in enumerate(unet.output_blocks)),
    ]
    for stage, number, block in stages:
        for module in block if block is not None else ():
            if isinstance(module, Downsample):
                scale *= 2
            elif isinstance(module, Upsample):
                scale = max(1, scale // 2)
            elif isinstance(module, SpatialTransformer):
                for index, transformer in enumerate(module.transformer_blocks):
                    if transformer.disable_self_attn:
                        continue
                    channels = transformer.attn1.to_q.in_features
                    found[LayerKey(stage, number, index)] = SelfAttention(
                        channels, scale, input_is_limited(transformer.attn1.to_q)
                    )
    return found


def projections_have_bias(unet) -> bool:
    """Whether some self-attention adds a bias to its queries, so that n := tau * n is not a factor on them."""
    transformers = (module for module in unet.modules() if isinstance(module, SpatialTransformer))
    each = (block for module in transformers for block in module.transformer_blocks if not block.disable_self_attn)
    return any(block.attn1.to_q.bias is not None for block in each)


def input_is_limited(linear) -> bool:
    """Whether a quantised projection rounds its input with a scale that was fixed when the weights were made: what is
    larger than anything seen then, as a hidden state times tau, is clipped. ComfyUI's two names for that scale."""
    scales = (getattr(linear, name, None) for name in ("input_scale", "scale_input"))
    return any(scale is not None for scale in scales)
