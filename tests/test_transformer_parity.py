"""Transformers agree with the equations (tests/transformer_oracle.py, float64) to 1e-4, each class by itself."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from comfy_test_nodes.tiny_transformers import KINDS, tiny_latent, tiny_text
from transformer_runs import HERE, model_of, paper, transfer, with_lora

kinds = pytest.mark.parametrize("kind", HERE)
OTHER_SIZE = (8, 5)
# of the second half of the blocks, which "auto" is, the image's attentions in a call
AUTO = {"sd3": [1, 2], "sd35m": [2, 3, 4], "qwen": [1, 2], "lumina2": [1, 2], "zimage": [1, 2], "krea2": [1, 2]}
AUTO |= {"anima": [1, 2], "mageflow": [1], "aura": [1, 2]}


@kinds
def test_a_style_of_the_contents_size_in_half_the_blocks(kind):
    model, text = model_of(kind), tiny_text(kind)
    content, style = tiny_latent(kind, 3), tiny_latent(kind, 4)
    expected = paper(model, kind, content, style, text, chosen=AUTO.get(kind, [2, 3]))
    result = transfer(model, content, style, text)
    assert result.shape == content["samples"].shape
    assert nodes.relative_error(result, expected) <= 1e-4


@kinds
def test_a_style_of_another_size_in_all_blocks_with_a_lora(kind):
    model, text = with_lora(model_of(kind)), tiny_text(kind)
    content, style = tiny_latent(kind, 3), tiny_latent(kind, 4, OTHER_SIZE)
    expected = paper(model, kind, content, style, text)
    result = transfer(model, content, style, text, KINDS[kind].layers)
    assert nodes.relative_error(result, expected) <= 1e-4
    without = transfer(model_of(kind), content, style, text, KINDS[kind].layers)
    assert nodes.relative_error(result, without) > 1e-2


@kinds
def test_two_contents_with_guidance(kind):
    model, text = model_of(kind), tiny_text(kind)
    # where the text's length moves the picture, the style would be turned: test_transformer_positions has that
    negative = tiny_text(kind, 7, tokens=12 if kind in ("hidream", "longcat", "lumina2") else 9)
    content, style = tiny_latent(kind, 3, batch=2), tiny_latent(kind, 4, OTHER_SIZE)
    expected = paper(model, kind, content, style, text, negative=negative, cfg=4.0)
    result = transfer(model, content, style, text, KINDS[kind].layers, negative=negative, cfg=4.0)
    assert nodes.relative_error(result, expected) <= 1e-4


MASKED = [kind for kind in ("qwen", "mageflow", "hunyuan") if kind in HERE]


@pytest.mark.parametrize("grid", [(6, 8), OTHER_SIZE])
@pytest.mark.parametrize("kind", MASKED)
def test_a_mask_over_the_text(kind, grid):
    """It is a positional argument in Qwen-Image and a named one in others, and its image part follows the style."""
    seen = torch.ones(1, 12, dtype=torch.long)
    seen[:, 7:] = 0
    model, text = model_of(kind), tiny_text(kind, attention_mask=seen)
    content, style = tiny_latent(kind, 3), tiny_latent(kind, 4, grid)
    expected = paper(model, kind, content, style, text)
    result = transfer(model, content, style, text, KINDS[kind].layers)
    assert nodes.relative_error(result, expected) <= 1e-4
    unmasked = transfer(model, content, style, tiny_text(kind), KINDS[kind].layers)
    assert nodes.relative_error(result, unmasked) > 1e-3
