"""Bad input gets a sentence that says what was given, what was expected and what to do."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model


def good(kind="sd15"):
    return tiny_model(kind), tiny_conditioning(kind)


def test_a_style_of_another_model_family():
    sd15, sd15_conditioning = good()
    sdxl, sdxl_conditioning = good("sdxl")
    style_kv, _ = nodes.capture(sd15, sd15_conditioning, nodes.latent(1, 4, 8, 8), steps=2)
    inverted, query, _ = nodes.invert(sdxl, sdxl_conditioning, nodes.latent(1, 4, 8, 8), steps=2)
    with pytest.raises(ValueError, match=r"style_kv was captured with another kind of model \(BaseModel.*SDXL"):
        nodes.sample(sdxl, sdxl_conditioning, inverted, style_kv, query)


def test_a_content_of_another_model_family():
    sd15, sd15_conditioning = good()
    sdxl, sdxl_conditioning = good("sdxl")
    style_kv, _ = nodes.capture(sdxl, sdxl_conditioning, nodes.latent(1, 4, 8, 8), steps=2)
    inverted, query, _ = nodes.invert(sd15, sd15_conditioning, nodes.latent(1, 4, 8, 8), steps=2)
    with pytest.raises(ValueError, match="content_query was captured with another kind of model"):
        nodes.sample(sdxl, sdxl_conditioning, inverted, style_kv, query)


def test_models_of_one_shape_that_predict_differently_are_told_apart():
    # SD 1.x and SD 2.x have the same class and layer widths
    sd15, sd15_conditioning = good()
    other = sd15.clone()
    from comfy.model_base import ModelType, model_sampling

    other.add_object_patch("model_sampling", model_sampling(sd15.model.model_config, ModelType.V_PREDICTION))
    style_kv, _ = nodes.capture(other, sd15_conditioning, nodes.latent(1, 4, 8, 8), steps=2)
    inverted, query, _ = nodes.invert(sd15, sd15_conditioning, nodes.latent(1, 4, 8, 8), steps=2)
    with pytest.raises(ValueError, match=r"BaseModel/v/32.*BaseModel/eps/32"):
        nodes.sample(sd15, sd15_conditioning, inverted, style_kv, query)


@pytest.mark.parametrize("run", [nodes.invert, nodes.capture])
class TestInversion:
    @pytest.mark.parametrize(
        ("samples", "message"),
        [
            (torch.zeros(1, 4, 8, 8), "empty"),
            (torch.zeros(0, 4, 8, 8), "at least one image"),
            (torch.randn(1, 16, 8, 8), "16 channels, the model works with 4"),
            (torch.randn(1, 4, 2, 8, 8), "video of 2 frames"),
            (torch.randn(1, 4, 1, 8, 8), "batch of image latents"),
            (torch.randn(1, 4, 8, 8).index_fill(3, torch.tensor([2]), float("nan")), "NaN"),
            (torch.randn(1, 4, 8, 8).index_fill(3, torch.tensor([2]), float("inf")), "infinite"),
        ],
    )
    def test_latents(self, run, samples, message):
        with pytest.raises(ValueError, match=message):
            run(*good(), {"samples": samples}, 2)

    @pytest.mark.parametrize("steps", [0, -3, 1000])
    def test_steps(self, run, steps):
        with pytest.raises(ValueError, match=rf"steps is {steps}; .*1 to 999"):
            run(*good(), nodes.latent(1, 4, 8, 8), steps)

    def test_layers(self, run):
        with pytest.raises(ValueError, match=r'"output\.14" is not in this UNet; .*output blocks 3-11'):
            run(*good(), nodes.latent(1, 4, 8, 8), 2, layers="output.14")

    def test_a_unet_trained_for_another_schedule_is_refused(self, run):
        from comfy.model_base import ModelType, model_sampling

        model, conditioning = good()
        model = model.clone()
        model.add_object_patch("model_sampling", model_sampling(model.model.model_config, ModelType.EDM))
        with pytest.raises(ValueError, match="Stable Diffusion's schedule"):
            run(model, conditioning, nodes.latent(1, 4, 8, 8), 2)


class TestSampler:
    def test_no_levels_to_sample(self):
        with pytest.raises(ValueError, match="connect content_query"):
            nodes.sample(*good(), nodes.latent(1, 4, 8, 8))

    def test_gamma_without_content_query(self):
        model, conditioning = good()
        style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 8, 8), steps=2)
        with pytest.raises(ValueError, match=r"gamma is 0\.75.*content_query.*or set gamma to 0"):
            nodes.sample(model, conditioning, nodes.latent(1, 4, 8, 8), style_kv)

    def test_layers_that_were_not_captured(self):
        model, conditioning = good()
        inverted, query, _ = nodes.invert(model, conditioning, nodes.latent(1, 4, 8, 8), steps=2)
        style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 8, 8), steps=2, layers="output.9-11")
        with pytest.raises(ValueError, match=r"output\.6, but style_kv was captured without it"):
            nodes.sample(model, conditioning, inverted, style_kv, query, layers="output.6-11")

    def test_nan(self):
        model, conditioning = good()
        query = nodes.invert(model, conditioning, nodes.latent(1, 4, 8, 8), steps=2)[1]
        with pytest.raises(ValueError, match="NaN"):
            nodes.sample(model, conditioning, {"samples": torch.full((1, 4, 8, 8), float("nan"))}, None, query)

    def test_a_noise_mask_without_the_content(self):
        model, conditioning = good()
        style_kv, inverted = nodes.capture(model, conditioning, nodes.latent(1, 4, 8, 8), steps=2)
        with pytest.raises(ValueError, match=r"noise mask.*connect content_query"):
            nodes.sample(model, conditioning, {**inverted, "noise_mask": torch.ones(1, 64, 64)}, style_kv, gamma=0.0)


def test_another_packs_own_keys_and_values_are_refused_not_ignored():
    # tiles that look into themselves, unlike HyperTile's, which only cuts the queries
    def tile(n, context, value, extra_options):
        tiles = n.unflatten(1, (2, -1)).flatten(0, 1)
        return tiles, tiles, tiles

    def untile(n, extra_options):
        return n.unflatten(0, (-1, 2)).flatten(1, 2)

    model, conditioning = good()
    tiled = model.clone()
    tiled.set_model_attn1_patch(tile)
    tiled.set_model_attn1_output_patch(untile)
    inverted, query, _ = nodes.invert(model, conditioning, nodes.latent(1, 4, 16, 16), steps=2)
    style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 16, 16), steps=2)
    with pytest.raises(ValueError, match=r"makes keys and values of output\.6 from the sampled picture"):
        nodes.sample(tiled, conditioning, inverted, style_kv, query)
