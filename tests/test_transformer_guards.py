"""What transformers are refused for, in words that say what to do, and what the log warns of."""

from __future__ import annotations

import inspect
import logging

import comfy.ldm.flux.layers
import comfy.samplers
import pytest
import run_nodes as nodes
import torch
from cellstyle.nodes.apply_style import CellStyleApply
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from comfy_test_nodes.tiny_transformers import available, tiny_latent, tiny_text
from transformer_runs import HERE, model_of, sample_euler

SAMPLED = [kind for kind in ("flux", "zimage", "qwen", "sd3") if kind in HERE]


def refused(kind: str):
    return model_of(kind), tiny_latent(kind), tiny_text(kind)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("ernie", "ErnieImageModel; its attention does not go through"),
        ("wan", "WanModel; it makes video"),
        ("cosmos", "MiniTrainDIT; it is trained on EDM"),
        ("meanflow", r"distilled HunyuanImage 2\.1 \(mean flow\)"),
    ],
)
def test_models_that_it_does_not_work_with(kind, words):
    if not available(kind):
        pytest.skip("this ComfyUI does not have the class")
    model, latent, text = refused(kind)
    for run in (nodes.invert, nodes.capture):
        with pytest.raises(ValueError, match=words):
            run(model, text, latent, 2)
    with pytest.raises(ValueError, match=words):
        nodes.sample(model, text, latent)


def test_a_class_that_nobody_knows_is_named():
    class Unheard(torch.nn.Module):
        pass

    model = tiny_model().clone()
    model.add_object_patch("diffusion_model", Unheard())
    with pytest.raises(ValueError, match=r"the model is a Unheard; .*Flux\.1, Flux\.2, Klein"):
        nodes.invert(model, tiny_conditioning(), nodes.latent(1, 4, 8, 8), 2)


@pytest.mark.parametrize("kind", [kind for kind in ("flux", "qwen", "krea2", "zimage") if kind in HERE])
def test_reference_latents(kind):
    latent = tiny_latent(kind)
    text = tiny_text(kind, reference_latents=[latent["samples"]])
    with pytest.raises(ValueError, match=r"reference latents .*remove ReferenceLatent"):
        nodes.invert(model_of(kind), text, latent, 2)
    style_kv, inverted = nodes.capture(model_of(kind), tiny_text(kind), latent, 2)
    with pytest.raises(ValueError, match="reference latents"):
        nodes.sample(model_of(kind), text, inverted, style_kv, gamma=0.0)
    if kind == "krea2":  # takes them only by a method that its checkpoints for editing name
        return
    patched = CellStyleApply.execute(model_of(kind), style_kv, None, **{**nodes.DIALS, "gamma": 0.0}).result[0]
    with pytest.raises(ValueError, match="reference latents"):
        sample_euler(patched, text, inverted, style_kv.bank.sigmas)


@pytest.mark.parametrize("kind", [kind for kind in ("qwen", "krea2", "anima") if kind in HERE])
def test_frames(kind):
    video = {"samples": tiny_latent(kind)["samples"].repeat(1, 1, 3, 1, 1)}
    with pytest.raises(ValueError, match="video of 3 frames"):
        nodes.invert(model_of(kind), tiny_text(kind), video, 2)
    flat = {"samples": tiny_latent(kind)["samples"][:, :, 0]}
    inverted, _, _ = nodes.invert(model_of(kind), tiny_text(kind), flat, 2)
    assert inverted["samples"].ndim == 5


@pytest.mark.parametrize("kind", SAMPLED)
def test_a_sampler_that_starts_from_pure_noise_is_refused_with_the_way_out(kind):
    model, text, latent = model_of(kind), tiny_text(kind), tiny_latent(kind)
    inverted, query, sigmas = nodes.invert(model, text, latent, 2)
    style_kv, _ = nodes.capture(model, text, latent, 2)
    dials = {**nodes.DIALS, "gamma": 0.5}
    patched = CellStyleApply.execute(model, style_kv, query, **dials).result[0]
    own = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", 2)
    with pytest.raises(ValueError, match=r"starts at noise level 1.*SamplerCustom with add_noise off and the sigmas"):
        sample_euler(patched, text, inverted, own)
    assert float(sigmas[0]) < 1
    sample_euler(patched, text, inverted, sigmas)
    # a picture from noise, in the style: nothing is lost there
    styled = CellStyleApply.execute(model, style_kv, None, **{**dials, "gamma": 0.0}).result[0]
    guider = comfy.samplers.CFGGuider(styled)
    guider.inner_set_conds({"positive": text})
    noise = torch.randn(latent["samples"].shape, generator=torch.Generator().manual_seed(0))
    sampler = comfy.samplers.sampler_object("euler")
    from_noise = guider.sample(noise, torch.zeros_like(noise), sampler, own, disable_pbar=True, seed=0)
    guider = comfy.samplers.CFGGuider(model)
    guider.inner_set_conds({"positive": text})
    plain = guider.sample(noise, torch.zeros_like(noise), sampler, own, disable_pbar=True, seed=0)
    assert nodes.relative_error(from_noise, plain) > 1e-3


def test_distilled_guidance_is_warned_of_with_its_number(caplog):
    model, latent = model_of("flux"), tiny_latent("flux")
    silent = tiny_text("flux")
    del silent[0][1]["guidance"]
    for text, number in ((silent, "3.5"), (tiny_text("flux", guidance=2.0), "2"), (tiny_text("flux"), None)):
        caplog.clear()
        nodes.invert(model, text, latent, 1)
        said = [record.message for record in caplog.records if "distilled for guidance" in record.message]
        assert len(said) == (number is not None)
        assert number is None or f"runs at {number}." in said[0]


def test_the_estimated_round_trip_is_logged_and_few_steps_are_warned_of(caplog):
    caplog.set_level(logging.INFO)
    nodes.invert(model_of("flux"), tiny_text("flux"), tiny_latent("flux"), 2, refinement=1)
    nodes.invert(tiny_model(), tiny_conditioning(), nodes.latent(1, 4, 8, 8), 2)
    said = [record.message for record in caplog.records]
    assert sum("dB (estimated)" in line for line in said) == 2
    assert any("does not settle" in line and "moved the latent by up to" in line for line in said)


def test_a_content_of_another_size_is_refused_where_its_queries_are_kept():
    model, text = model_of("flux"), tiny_text("flux")
    _, query, _ = nodes.invert(model, text, tiny_latent("flux", 1, (6, 8)), 2)
    style_kv, inverted = nodes.capture(model, text, tiny_latent("flux", 2, (8, 5)), 2)
    with pytest.raises(ValueError, match=r"6 x 8 tokens and 8 x 5 are sampled.*set gamma and flat_background to 0"):
        nodes.sample(model, text, inverted, style_kv, query, gamma=0.5)
    nodes.sample(model, text, inverted, style_kv, gamma=0.0)


def test_areas_are_refused_where_places_are_needed():
    model, text, latent = model_of("flux"), tiny_text("flux"), tiny_latent("flux")
    inverted, query, _ = nodes.invert(model, text, latent, 2)
    style_kv, _ = nodes.capture(model, text, latent, 2)
    (cross, extra), *_ = text
    area = [*text, [cross, {**extra, "area": (6, 8, 0, 0), "strength": 1.0}]]
    with pytest.raises(ValueError, match=r"part of the picture.*set gamma and flat_background to 0"):
        nodes.sample(model, area, inverted, style_kv, query, gamma=0.5)
    nodes.sample(model, area, inverted, style_kv, gamma=0.0)


@pytest.mark.parametrize("part", ["img", "both"])
@pytest.mark.parametrize("kind", [kind for kind in ("flux", "qwen") if kind in HERE])
def test_tokens_that_another_pack_leaves_out(kind, part):
    """Left alone they would shift the picture into the text without a word."""
    model, text, latent = model_of(kind), tiny_text(kind), tiny_latent(kind)
    style_kv, inverted = nodes.capture(model, text, latent, 2)
    network = inspect.getmodule(type(model.get_model_object("diffusion_model")))
    if not hasattr(model, "set_model_post_input_patch") or "post_input" not in inspect.getsource(network):
        pytest.skip("in this ComfyUI no patch changes what the network is given")

    def shorter(args):
        args["img"], args["img_ids"] = args["img"][:, :-4], args["img_ids"][:, :-4]
        if part == "both":  # as many text tokens more, so that the sequence is as long as before
            args["txt"] = torch.cat([args["txt"], args["txt"][:, :4]], 1)
            args["txt_ids"] = torch.cat([args["txt_ids"], args["txt_ids"][:, :4]], 1)
        return args

    other = model.clone()
    other.set_model_post_input_patch(shorter)
    for run in (
        lambda: nodes.capture(other, text, latent, 2),
        lambda: nodes.sample(other, text, inverted, style_kv, gamma=0.0),
    ):
        with pytest.raises(ValueError, match="number of image tokens"):
            run()


@pytest.mark.skipif("hidream" not in HERE, reason="this ComfyUI does not have the class")
def test_tokens_that_another_pack_leaves_out_of_hidream():
    """Its image stands first and nothing in the call says where it ends: the text's length does."""
    model, text, latent = model_of("hidream"), tiny_text("hidream"), tiny_latent("hidream")
    style_kv, inverted = nodes.capture(model, text, latent, 2)
    network = model.get_model_object("diffusion_model")
    shorter = [
        network.x_embedder.register_forward_hook(lambda module, given, tokens: tokens[:, 4:]),
        network.pe_embedder.register_forward_pre_hook(lambda module, given: (given[0][:, 4:],)),
    ]
    try:
        for run in (
            lambda: nodes.capture(model, text, latent, 2),
            lambda: nodes.sample(model, text, inverted, style_kv, gamma=0.0),
        ):
            with pytest.raises(ValueError, match=r"number of image tokens .* 44 where 6 x 8 were expected"):
                run()
    finally:
        for hook in shorter:
            hook.remove()


def test_a_mask_over_the_pictures_tokens_is_refused_for_a_style_of_another_size():
    model, text = model_of("flux"), tiny_text("flux")
    if "attn1_patch" not in inspect.getsource(comfy.ldm.flux.layers):
        pytest.skip("in this ComfyUI no patch changes the mask")

    def hiding(q, k, v, pe=None, attn_mask=None, extra_options=None):
        mask = torch.zeros(1, 1, 1, k.shape[2])
        mask[..., -1] = -1.0
        return {"q": q, "k": k, "v": v, "pe": pe, "attn_mask": mask}

    other = model.clone()
    other.set_model_attn1_patch(hiding)
    same, inverted = nodes.capture(model, text, tiny_latent("flux", 1), 2)
    larger, _ = nodes.capture(model, text, tiny_latent("flux", 2, (8, 5)), 2)
    nodes.sample(other, text, inverted, same, gamma=0.0)
    with pytest.raises(ValueError, match="hides or weighs image tokens"):
        nodes.sample(other, text, inverted, larger, gamma=0.0)


def test_a_layer_that_a_call_does_not_reach_is_an_error():
    model, text, latent = model_of("flux"), tiny_text("flux"), tiny_latent("flux")
    style_kv, inverted = nodes.capture(model, text, latent, 2, layers="double.0-1")
    other = model.clone()
    other.set_model_patch_replace(
        lambda args, extra: {"img": args["img"], "txt": args["txt"]}, "dit", "double_block", 1
    )
    with pytest.raises(ValueError, match=r"could not read layer double\.1"):
        nodes.capture(other, text, latent, 2, layers="double.0-1")
    with pytest.raises(ValueError, match=r"layer double\.1 of the Flux was not reached"):
        nodes.sample(other, text, inverted, style_kv, gamma=0.0)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("flux", "double.2", r"double\.2.*double blocks 0-1"),
        ("flux", "output.6-11", r'"output.6-11" is not understood.*"double\.0-1"'),
        ("flux", "single.1-0", r"single\.1-0"),
        ("zimage", "block.3", r"double\.3|block\.3"),
        ("sd3", "", "layers is empty"),
    ],
)
def test_layers_that_are_not_there(kind, text, words):
    with pytest.raises(ValueError, match=words):
        nodes.invert(model_of(kind), tiny_text(kind), tiny_latent(kind), 1, layers=text)


def test_layers_by_either_name():
    model, text, latent = model_of("zimage"), tiny_text("zimage"), tiny_latent("zimage")
    banks = [nodes.capture(model, text, latent, 1, layers=name)[0].bank for name in ("block.1-2", "double.1-2", "auto")]
    assert banks[0].layers == banks[1].layers == banks[2].layers and len(banks[0].layers) == 2


def test_dials_that_a_unet_has_not():
    model, text, latent = tiny_model(), tiny_conditioning(), nodes.latent(1, 4, 8, 8)
    style_kv, inverted = nodes.capture(model, text, latent, 2)
    for dial, words in (({"style_position": "moved"}, "no rotary positions"), ({"qk_adain": 0.5}, "qk_adain is 0.5")):
        with pytest.raises(ValueError, match=words):
            nodes.sample(model, text, inverted, style_kv, gamma=0.0, **dial)


def test_an_overflow_is_said_in_words():
    model, text, latent = model_of("flux").clone(), tiny_text("flux"), tiny_latent("flux")
    model.add_wrapper("apply_model", lambda executor, *args, **kwargs: executor(*args, **kwargs) * float("nan"))
    with pytest.raises(ValueError, match="overflows at its precision"):
        nodes.invert(model, text, latent, 2)


def test_features_of_another_transformer():
    style_kv, _ = nodes.capture(model_of("flux"), tiny_text("flux"), tiny_latent("flux"), 2)
    inverted, _, _ = nodes.invert(model_of("sd3"), tiny_text("sd3"), tiny_latent("sd3"), 2)
    with pytest.raises(ValueError, match=r"another kind of model.*Flux/Flux/16"):
        nodes.sample(model_of("sd3"), tiny_text("sd3"), inverted, style_kv, gamma=0.0)
