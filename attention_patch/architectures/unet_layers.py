"""Which self-attention layers a UNet has, and how a person names them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, Upsample

from ...features.layer_key import LayerKey, SelfAttention

LAYERS_TOOLTIP = (
    "Self-attention layers to use. auto: the decoder layers on the two finest token grids (output.6-11 on SD 1.x and "
    "2.x, output.3-5 on SDXL). Or name blocks: output.6-11, or output.7-9, middle. More layers: more of the style's "
    "texture, more memory."
)


def find_self_attention(unet) -> dict[LayerKey, SelfAttention]:
    """All self-attention layers of an SD-type UNet, in the order they run.

    Raises:
        ValueError: the model is no SD-type UNet, or its projections have a bias (the injection's identity
            n := tau * n needs bias-free to_q); names the class.
    """
    name = type(unet).__name__
    if not all(hasattr(unet, part) for part in ("input_blocks", "middle_block", "output_blocks")):
        raise ValueError(
            f"the model is a {name}, which has no UNet decoder to inject into. CellStyle works with SD 1.x, SD 2.x and "
            "SDXL checkpoints (UNet with self-attention)."
        )
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
                    if transformer.attn1.to_q.bias is not None:
                        raise ValueError(
                            f"the model is a {name} whose attention projections have a bias; CellStyle needs an "
                            "SD 1.x, SD 2.x or SDXL checkpoint."
                        )
                    channels = transformer.attn1.to_q.in_features
                    found[LayerKey(stage, number, index)] = SelfAttention(
                        channels, scale, input_is_limited(transformer.attn1.to_q)
                    )
    if not found:
        raise ValueError(
            f"the model is a {name} without self-attention layers; CellStyle needs SD 1.x, SD 2.x or SDXL."
        )
    return found


def input_is_limited(linear) -> bool:
    """Whether a quantised projection rounds its input with a scale that was fixed when the weights were made: what is
    larger than anything seen then, as a hidden state times tau, is clipped. ComfyUI's two names for that scale."""
    scales = (getattr(linear, name, None) for name in ("input_scale", "scale_input"))
    return any(scale is not None for scale in scales)


_TOKEN = re.compile(r"(input|middle|output)(?:\.(\d+)(?:-(\d+))?)?")


def select_layers(text: str, available: Mapping[LayerKey, SelfAttention]) -> tuple[LayerKey, ...]:
    """Layers named by a person, in the order they run.

    Args:
        text: "auto", or blocks separated by commas: "output.6-11", "output.7, output.9", "middle", "input.4-5",
            "output" (all of the decoder).
        available: what `find_self_attention` returned.
    Raises:
        ValueError: quotes the word that is wrong and says which blocks there are.
    """
    words = [word for word in re.split(r"[,;\s]+", text.strip().lower()) if word]
    if not words:
        raise ValueError('layers is empty; write "auto" or blocks such as "output.6-11".')
    chosen: set[LayerKey] = set()
    for word in words:
        chosen.update(_auto(available) if word == "auto" else _select_word(word, available))
    return tuple(layer for layer in available if layer in chosen)


def select_blocks(text: str, unet) -> tuple[tuple[str, int], ...]:
    """Decoder blocks named by a person, "output.4" or "output.3-5", whether they have attention or not.

    Raises:
        ValueError: quotes the word that is wrong and says which blocks there are.
    """
    last_block = len(unet.output_blocks) - 1
    chosen = set()
    for word in (word for word in re.split(r"[,;\s]+", text.strip().lower()) if word):
        match = _TOKEN.fullmatch(word)
        first, last = (match.group(2), match.group(3)) if match else (None, None)
        if not match or match.group(1) != "output" or first is None or int(last or first) > last_block:
            raise ValueError(f'residual_features: "{word}" is not one of the decoder blocks output.0-{last_block}.')
        chosen.update(("output", number) for number in range(int(first), int(last or first) + 1))
    return tuple(sorted(chosen))


def _auto(available: Mapping[LayerKey, SelfAttention]) -> list[LayerKey]:
    decoder = [layer for layer in available if layer.block == "output"]
    return [layer for layer in decoder if available[layer].scale <= 2] or decoder


def _select_word(word: str, available: Mapping[LayerKey, SelfAttention]) -> list[LayerKey]:
    match = _TOKEN.fullmatch(word)
    if not match:
        raise ValueError(
            f'layers: "{word}" is not understood. Write "auto", or blocks such as "output.6-11", "middle", "input.4".'
        )
    block, first, last = match.groups()
    numbers = sorted({layer.number for layer in available if layer.block == block})
    if not numbers:
        raise ValueError(f'layers: "{word}": this UNet has no self-attention in its {block} blocks.')
    low = int(first) if first else 0
    high = int(last) if last else (low if first else numbers[-1])
    picked = [layer for layer in available if layer.block == block and low <= layer.number <= high]
    if high < low or high > numbers[-1] or not picked:
        where = f"{block} blocks {_ranges(numbers)}" if block != "middle" else "the middle block"
        raise ValueError(f'layers: "{word}" is not in this UNet; it has self-attention in {where}.')
    return picked


def _ranges(numbers: list[int]) -> str:
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
