"""The injection beside other packs' hooks on the same self-attention: patches, replacers and overrides."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.nodes.blend_styles import CellStyleBlend
from composition import PRESENT, STEPS, Scene, check_both_are_there, one_conditioning_at_a_time


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


def cross_attention_replaced(model):
    model = model.clone()
    model.set_model_attn2_replace(soft_attention, "output", 9)
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
    "an attn2 replacer, as of IP-Adapter": cross_attention_replaced,
}


@pytest.mark.parametrize("name", HOOKS)
def test_one_style(scene, name):
    check_both_are_there(scene, HOOKS[name])


@pytest.mark.parametrize("name", [name for name in HOOKS if "2-part" not in name and "attn2" not in name])
def test_a_blend_by_mask(scene, name):
    left = torch.zeros(1, 128, 128)
    left[:, :, :64] = 1
    same_size = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 16, 16, seed=4), STEPS)[0]
    blend = CellStyleBlend.execute({"style_1": same_size}, "", "replace", 0.0, {"mask_1": left}, {}).result[0]
    check_both_are_there(scene, HOOKS[name], lambda model: scene.inject(model, blend))


def test_a_blend_with_a_bias_passes_through_an_override_but_not_through_a_replacer(scene):
    other = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 8, 16, seed=4), STEPS)[0]
    styles = {"style_1": scene.style_kv, "style_2": other}
    blend = CellStyleBlend.execute(styles, "", "replace", 0.0, {}, {}).result[0]
    check_both_are_there(scene, overridden, lambda model: scene.inject(model, blend))
    for model in (
        scene.inject(replaced("output", 9)(scene.model), blend),
        replaced("output", 9, 0)(scene.inject(scene.model, blend)),
    ):
        with pytest.raises(ValueError, match=r"replaces the attention of output\.9, and a blend"):
            scene.sample(model)


def test_every_chunk_of_a_batch_is_told_apart_by_another_pack(scene):
    # other packs cut the batch by cond_or_uncond; a blend's branches stay inside their chunk
    seen = []

    def halve_the_negative(n, extra_options):
        chunks = list(n.chunk(len(extra_options["cond_or_uncond"])))
        for i, kind in enumerate(extra_options["cond_or_uncond"]):
            chunks[i] = chunks[i] * (0.5 if kind == 1 else 1.0)
        seen.append(tuple(extra_options["cond_or_uncond"]))
        return torch.cat(chunks)

    def other(model):
        model = model.clone()
        model.set_model_attn1_output_patch(halve_the_negative)
        return model

    second = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 16, 24, seed=4), STEPS)[0]
    styles = {"style_1": scene.style_kv, "style_2": second}
    blend = CellStyleBlend.execute(styles, "0.7, 0.3", "replace", 0.0, {}, {}).result[0]
    both = scene.inject(other(scene.model), blend)
    together = scene.sample(both, negative=scene.negative, cfg=3.0)
    assert any(len(kinds) == 2 for kinds in seen)
    # the same network calls one at a time
    both.set_model_unet_function_wrapper(one_conditioning_at_a_time)
    assert nodes.relative_error(scene.sample(both, negative=scene.negative, cfg=3.0), together) < 1e-5


def test_a_patch_that_makes_its_own_keys_and_values_is_refused(scene):
    own = patched(lambda n, context, value, _: (n, n, n))
    with pytest.raises(ValueError, match=r"makes keys and values of output\.6 from the sampled picture"):
        scene.sample(scene.inject(own(scene.model)))


def test_a_replacer_that_does_not_attend_is_refused(scene):
    model = scene.inject(scene.model)
    model.set_model_attn1_replace(lambda q, k, v, extra_options: v, "output", 9)
    with pytest.raises(ValueError, match=r"works on the picture.s own self-attention in output\.9"):
        scene.sample(model)


def test_two_injections_on_one_model(scene):
    other = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 16, 16, seed=4), STEPS)[0]
    early, late = scene.inject(scene.model, end_percent=0.5), scene.inject(scene.model, other, start_percent=0.5)
    both = scene.inject(early, other, start_percent=0.5)
    swapped = scene.inject(late, end_percent=0.5)
    result = scene.sample(both)
    assert torch.equal(scene.sample(swapped), result)
    assert all(nodes.relative_error(result, scene.sample(model)) > PRESENT for model in (early, late))
    for dials in ({}, {"start_percent": 0.3}, {"layers": "output.9"}):
        with pytest.raises(ValueError, match="already carries a style injection"):
            scene.inject(early, other, **dials)
    scene.inject(scene.inject(scene.model, layers="output.6-8"), other, layers="output.9-11")
    for run in (nodes.invert, nodes.capture):
        with pytest.raises(ValueError, match="carries a style injection"):
            run(early, scene.conditioning, scene.content, STEPS)
