"""The injection beside other packs' hooks on the same self-attention: patches, replacers and overrides."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.nodes.blend_styles import CellStyleBlend
from composition import Scene, check_both_are_there


@pytest.fixture(scope="module")
def scene():
    with torch.inference_mode():
        return Scene()


def soft_attention(q, k, v, extra_options, sharpness: float = 0.5) -> torch.Tensor:
    """A replacer that does attend, at half the temperature: as another pack's own kernel would."""
    heads = extra_options["n_heads"]
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    scale = sharpness / q.shape[-1] ** 0.5
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)
    return out.transpose(1, 2).flatten(2)


def replaced(*key):
    def other(model):
        model = model.clone()
        model.set_model_attn1_replace(soft_attention, *key)
        return model

    return other


def patched(patch):
    def other(model):
        model = model.clone()
        model.set_model_attn1_patch(patch)
        return model

    return other


def overridden(model):
    def override(func, q, *args, **kwargs):
        return func(q * 0.5, *args, **kwargs)

    model = model.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = override
    return model


def output_patched(model):
    model = model.clone()
    model.set_model_attn1_output_patch(lambda n, extra_options: n * 0.5)
    return model


HOOKS = {
    "an attn1 replacer under the 2-part key": replaced("output", 9),
    "an attn1 replacer under the 3-part key": replaced("output", 9, 0),
    "an optimized_attention_override": overridden,
    "an attn1_patch on the queries": patched(lambda n, context, value, _: (n * 0.5, context, value)),
    "an attn1_patch on keys and values": patched(lambda n, context, value, _: (n, context * 0.5, value * 0.7)),
    "an attn1_patch that adds tokens": patched(
        lambda n, context, value, _: (n, torch.cat([context, n], 1), torch.cat([value, n], 1))
    ),
    "an attn1_output_patch": output_patched,
}


@pytest.mark.parametrize("name", HOOKS)
def test_one_style(scene, name):
    check_both_are_there(scene, HOOKS[name])
