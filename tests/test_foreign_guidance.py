"""Guidance and samplers of other packs: perturbed attention by any name, windows of the picture, tiles, an eta."""

from __future__ import annotations

from types import SimpleNamespace

import comfy.sample
import comfy.samplers
import pytest
import run_nodes as nodes
import torch
from cellstyle.engine.same_picture import check_aspect, likeness, may_be_a_tile
from cellstyle.nodes.apply_style import is_stochastic
from comfy_extras.nodes_easycache import EasyCacheNode, LazyCacheNode
from composition import STEPS, Scene, check_both_are_there, outputs


@pytest.fixture(scope="module")
def scene():
    with torch.inference_mode():
        return Scene()


def guided(replacer, numbers):
    """What packs for perturbed attention do: a second prediction with other attention, and a step away from it."""

    def put_on(model):
        model = model.clone()

        def post_cfg(args):
            options = args["model_options"]
            for number in numbers:
                options = comfy.model_patcher.set_model_options_patch_replace(
                    options, replacer, "attn1", "output", number
                )
            (worse,) = comfy.samplers.calc_cond_batch(
                args["model"], [args["cond"]], args["input"], args["sigma"], options
            )
            return args["denoised"] + 2 * (args["cond_denoised"] - worse)

        model.set_model_sampler_post_cfg_function(post_cfg)
        return model

    return put_on


def perturbed_attention(q, k, v, extra_options, mask=None):
    return v


def blurred_queries(q, k, v, extra_options, mask=None):
    from comfy.ldm.modules.attention import optimized_attention

    return optimized_attention(q.mean(1, keepdim=True).expand_as(q), k, v, extra_options["n_heads"])


class Perturbation:
    def __call__(self, q, k, v, extra_options):
        return v.view_as(v)


@pytest.mark.parametrize("replacer", [perturbed_attention, Perturbation()])
def test_values_handed_on_as_they_are_are_refused_where_they_are_the_styles(scene, replacer):
    with pytest.raises(ValueError, match=r"works on the picture's own self-attention in output\.\d.*out of layers"):
        scene.sample(guided(replacer, [8])(scene.inject(scene.model)))


def test_perturbed_attention_elsewhere_and_blurred_queries_anywhere_compose(scene):
    free = lambda model: scene.inject(model, layers="output.6-7")  # noqa: E731
    check_both_are_there(scene, guided(perturbed_attention, [9]), inject=free, swap=False)
    check_both_are_there(scene, guided(blurred_queries, [8]), swap=False)


def windowed(model):
    """Sliding-window guidance: the network on crops of the picture, each in its own call."""
    model = model.clone()

    def post_cfg(args):
        x, result = args["input"], torch.zeros_like(args["input"])
        for left in (0, 8):
            crop = x[..., left : left + 8]
            (part,) = comfy.samplers.calc_cond_batch(
                args["model"], [args["cond"]], crop, args["sigma"], args["model_options"]
            )
            result[..., left : left + 8] = part
        return args["denoised"] + 0.5 * (args["denoised"] - result)

    model.set_model_sampler_post_cfg_function(post_cfg)
    return model


def test_windows_of_the_picture_are_no_whole_pictures(scene):
    with pytest.raises(ValueError, match="shows the network a cut or resized picture"):
        scene.sample(windowed(scene.inject(scene.model, gamma=0.75)))
    loose = lambda model: scene.inject(model, gamma=0.0)  # noqa: E731
    check_both_are_there(scene, windowed, inject=loose, swap=False)


def test_windows_by_a_direct_call_are_no_whole_pictures_either(scene):
    model = scene.inject(scene.model, gamma=0.75)

    def post_cfg(args):
        inner, sigma = args["model"], args["sigma"]
        cross = args["cond"][0]["model_conds"]["c_crossattn"].cond
        options = args["model_options"]["transformer_options"]
        inner.apply_model(args["input"][..., :8], sigma, c_crossattn=cross, transformer_options=options)
        return args["denoised"]

    model.set_model_sampler_post_cfg_function(post_cfg)
    with pytest.raises(ValueError, match="shows the network a cut or resized picture"):
        scene.sample(model)


def tile_sample(scene, model, latent: torch.Tensor):
    """As an upscaler samples a tile: the usual noise on a picture's own latent, the last steps alone."""
    noise = comfy.sample.prepare_noise(latent, 0)
    euler = comfy.samplers.sampler_object("euler")
    return comfy.sample.sample_custom(
        model, noise, 1.0, euler, scene.sigmas[-3:], scene.conditioning, scene.conditioning, latent, seed=0
    )


def test_a_tile_of_another_shape_is_refused(scene):
    tile = scene.content["samples"][..., :8]
    with pytest.raises(ValueError, match=r"8 x 16 latent pixels .* inverted 16 x 16.*Set gamma to 0"):
        tile_sample(scene, scene.inject(scene.model), tile)
    tile_sample(scene, scene.inject(scene.model, gamma=0.0), tile)


def test_a_tile_of_the_same_shape_is_told_by_what_is_on_it(scene, caplog):
    picture = nodes.latent(1, 4, 16, 16, seed=1)["samples"]
    tile_sample(scene, scene.inject(scene.model), picture)
    larger = torch.nn.functional.interpolate(picture, scale_factor=2, mode="bilinear")
    tile_sample(scene, scene.inject(scene.model), larger)
    assert "not the one that was inverted" not in caplog.text
    tile_sample(scene, scene.inject(scene.model), larger[..., 16:, 16:])
    assert "set gamma to 0 for it" in caplog.text


def test_what_tells_pictures_apart():
    clean = nodes.latent(1, 4, 24, 16, seed=1)["samples"]
    other = nodes.latent(1, 4, 24, 16, seed=2)["samples"]
    assert likeness(clean, clean) > 0.999
    assert likeness(clean, 0.5 * clean + 3) > 0.999
    assert abs(likeness(clean, other)) < 0.3
    noise = torch.ones_like(clean)
    assert may_be_a_tile(clean, other, noise)
    assert not may_be_a_tile(clean, other, torch.zeros_like(noise))
    assert not may_be_a_tile(clean, torch.zeros_like(clean), noise)
    check_aspect(clean, torch.zeros(1, 4, 49, 33))
    check_aspect(torch.zeros(1, 4, 65, 47), torch.zeros(1, 4, 130, 94))
    with pytest.raises(ValueError, match="not the same picture"):
        check_aspect(clean, torch.zeros(1, 4, 16, 16))


@pytest.mark.parametrize(
    ("name", "options", "stochastic"),
    [
        ("sample_rk_beta", {"eta": 0.5, "eta_substep": 0.0}, True),
        ("sample_rk_beta", {"eta": 0.0, "eta_substep": 0.5}, True),
        ("sample_rk_beta", {"eta": 0.0, "eta_substep": 0.0}, False),
        ("sample_euler_ancestral", {"eta": 0.0}, False),
        ("sample_euler_ancestral", {"s_noise": 1.0}, True),
        ("sample_euler", {"s_churn": 2.0}, True),
        ("sample_dpm_adaptive", {"eta": 1.0}, True),
        ("sample_heun", {}, False),
    ],
)
def test_noise_is_told_by_the_samplers_own_options(name, options, stochastic):
    function = lambda: None  # noqa: E731
    function.__name__ = name
    assert is_stochastic(SimpleNamespace(sampler_function=function, extra_options=options)) == stochastic


CACHES = {
    "EasyCache": lambda model: outputs(EasyCacheNode.execute(model, 5.0, 0.0, 1.0, False))[0],
    "LazyCache": lambda model: outputs(LazyCacheNode.execute(model, 5.0, 0.0, 1.0, False))[0],
}


@pytest.mark.parametrize("name", CACHES)
def test_a_step_cache_is_named_where_it_cannot_work_and_works_where_it_can(scene, name):
    cached = CACHES[name]
    with pytest.raises(ValueError, match=r"step cache.*Connect the model from before that node"):
        nodes.invert(cached(scene.model), scene.conditioning, scene.content, 6)
    stored = scene.sample(cached(scene.inject(scene.model)))
    assert torch.isfinite(stored).all()
    query = nodes.invert(scene.model, scene.conditioning, scene.content, STEPS, storage="recompute")[1]
    kept, scene.query = scene.query, query
    try:
        with pytest.raises(ValueError, match=r"step cache.*Set storage to ram"):
            scene.sample(cached(scene.inject(scene.model)))
    finally:
        scene.query = kept
