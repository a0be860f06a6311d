"""What an attention needs beyond queries, keys and values reaches it on any back end: its own keys a row, tau."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.equations.style_blend import Branch, attend_by_length, stack_branches
from cellstyle.nodes.blend_styles import CellStyleBlend
from comfy_test_nodes.tiny_models import tiny_model
from composition import LEAN, Scene


@pytest.fixture(scope="module")
def scene():
    with torch.inference_mode():
        scene = Scene()
        small = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 8, 16, seed=3), 2)[0]
        scene.blend = CellStyleBlend.execute({"style_1": scene.style_kv, "style_2": small}, "", "replace", 0.0).result[
            0
        ]
        scene.blended = scene.sample(scene.inject(scene.model, scene.blend))
        return scene


def test_each_branch_attends_to_its_own_keys_and_needs_no_mask_for_it():
    def attend(q, k, v, mask):
        assert mask is None
        return torch.nn.functional.scaled_dot_product_attention(q, k, v)

    short, long = torch.randn(1, 3, 8), torch.randn(1, 7, 8)
    context, rows = stack_branches([Branch(short), Branch(long), Branch(short, None, 2.0)])
    query = torch.randn(3, 5, 8)
    attention = attend_by_length(attend, query, context, context, rows)
    assert torch.allclose(attention[:1], attend(query[:1], short, short, None), atol=1e-6)
    assert torch.allclose(attention[1:2], attend(query[1:2], long, long, None), atol=1e-6)
    assert torch.allclose(attention[2:], attend(2 * query[2:], short, short, None), atol=1e-6)
    assert stack_branches([Branch(short), Branch(short)])[1] is None


def with_override(model, override):
    model = model.clone()
    model.model_options["transformer_options"] = {
        **model.model_options.get("transformer_options", {}),
        "optimized_attention_override": override,
    }
    return model


@pytest.mark.parametrize("skip_order", [False, True])
def test_a_back_end_that_drops_masks_blends_styles_of_different_sizes_alike(scene, skip_order):
    """As sage attention by another pack's override: 3.9 % off, when the shorter style was filled up under a mask."""
    masks = []

    def without_mask(func, *args, mask=None, **kwargs):
        masks.append(mask)
        return func(*args, **kwargs)

    if skip_order:
        patched = scene.inject(with_override(scene.model, without_mask), scene.blend)
    else:
        patched = with_override(scene.inject(scene.model, scene.blend), without_mask)
    assert nodes.relative_error(scene.sample(patched), scene.blended) < 1e-5
    assert masks
    assert all(mask is None for mask in masks)


def limited(calibrated_at: float):
    """The scene's model whose self-attention clips what to_q reads, as fp8 weights with a static input scale do."""
    model = tiny_model(**LEAN)
    for name, module in model.model.diffusion_model.named_modules():
        if name.endswith("attn1.to_q"):
            module.input_scale = torch.tensor(calibrated_at / 448)
            module.register_forward_pre_hook(lambda _, args: (args[0].clamp(-calibrated_at, calibrated_at),))
    return model


def largest_input(scene) -> float:
    """Of the projections of the queries in a plain run, with room for gamma's mixture."""
    found = []
    hooks = [
        module.register_forward_pre_hook(lambda _, args: found.append(float(args[0].abs().max())))
        for name, module in scene.model.model.diffusion_model.named_modules()
        if name.endswith("attn1.to_q")
    ]
    scene.sample(scene.inject(scene.model, tau=1.0))
    for hook in hooks:
        hook.remove()
    return max(found)


@pytest.mark.parametrize("tau", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("kind", ["one", "blend"])
def test_tau_acts_after_a_projection_that_clips_its_input(scene, tau, kind):
    style = scene.style_kv if kind == "one" else scene.blend
    expected = scene.sample(scene.inject(scene.model, style, tau=tau))
    found = scene.sample(scene.inject(limited(1.05 * largest_input(scene)), style, tau=tau))
    assert nodes.relative_error(found, expected) < 1e-5


def test_a_replacer_that_tau_cannot_reach_is_refused(scene):
    def replacer(q, k, v, extra_options):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v)

    model = limited(largest_input(scene))
    for number in range(9):
        model.set_model_attn1_replace(replacer, "output", number)
    with pytest.raises(ValueError, match=r"quantised weights tau has to be applied there\. Set tau to 1"):
        scene.sample(scene.inject(model, tau=2.0))
