"""The finer dials act, each by itself, and are off as they come."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.attention_patch.architectures.choose import architecture_of
from cellstyle.engine.dials import StyleSettings, parse_layer_gamma
from cellstyle.equations.attention_temperature import token_scale
from cellstyle.equations.high_pass import high_pass
from cellstyle.equations.step_adain import step_adain
from cellstyle.nodes.ddim_invert import DDIMInvert
from cellstyle.nodes.latent_adain import LatentAdaIN
from cellstyle.nodes.style_settings import CellStyleSettings
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from residual_blocks import residuals_or_skip


@pytest.fixture(scope="module")
def scene():
    class Scene:
        model, conditioning = tiny_model(), tiny_conditioning()

        def run(self, settings=None, query=None, **dials):
            return nodes.sample(
                self.model, self.conditioning, self.start, self.style, query or self.query, settings=settings, **dials
            )

    scene = Scene()
    with torch.inference_mode():
        scene.content = nodes.latent(1, 4, 16, 24, seed=1)
        scene.start, scene.query, _ = nodes.invert(scene.model, scene.conditioning, scene.content, steps=6)
        scene.style, _ = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 16, 16, seed=2), steps=6)
        scene.paper = scene.run()
    return scene


@pytest.fixture(scope="module")
def with_features(scene):
    """CONTENT_QUERY with residual features; skips on a ComfyUI whose residual blocks cannot be read."""
    with torch.inference_mode(), residuals_or_skip():
        return nodes.invert(scene.model, scene.conditioning, scene.content, steps=6, residual_features="output.4")[1]


def test_settings_as_they_come_change_nothing(scene):
    defaults = {i.id: i.default for i in CellStyleSettings.GET_SCHEMA().inputs}
    settings = CellStyleSettings.execute(**defaults).result[0]
    # a new node holds colours to the last step; a prompt that does not name adain_end gets what it always got
    assert settings == StyleSettings(adain_end=1.0)
    assert torch.equal(scene.run(settings), scene.paper)


def test_recorded_features_do_nothing_at_strength_0(scene, with_features):
    assert torch.equal(scene.run(StyleSettings(), with_features), scene.paper)


def test_queries_are_kept_only_in_their_range(scene):
    assert torch.equal(scene.run(StyleSettings(query_start=0.5, query_end=0.5)), scene.run(gamma=0.0))
    early, late = scene.run(StyleSettings(query_end=0.5)), scene.run(StyleSettings(query_start=0.5))
    for result in (early, late):
        assert nodes.relative_error(result, scene.paper) > 1e-4
        assert nodes.relative_error(result, scene.run(gamma=0.0)) > 1e-4
    assert nodes.relative_error(early, late) > 1e-4


def test_layer_gamma_scales_gamma_by_layer(scene):
    everywhere = scene.run(StyleSettings(layer_gamma="output.6-11: 0.4"))
    assert nodes.relative_error(everywhere, scene.run(gamma=0.75 * 0.4)) < 1e-5
    assert torch.equal(scene.run(StyleSettings(layer_gamma="output.6-11: 1")), scene.paper)
    assert nodes.relative_error(scene.run(StyleSettings(layer_gamma="output.9-11: 0")), scene.paper) > 1e-4


@pytest.mark.parametrize("text", ["output.6-8", "output.6-8: 2", "output.6-8: many", ": 1", "output.14: 1"])
def test_a_wrong_layer_gamma_is_quoted(text):
    with pytest.raises(ValueError, match="layer"):
        parse_layer_gamma(text, architecture_of(tiny_model()).select)


def test_per_step_adain_pulls_the_result_to_the_styles_statistics(scene):
    target = scene.style.bank.clean
    scale = scene.model.model.latent_format.scale_factor
    distances = []
    for rate in (0.0, 0.2, 0.4, 0.8):
        result = scene.run(StyleSettings(adain_rate=rate, adain_end=1.0)) * scale
        distances.append(float((result.std((2, 3)) - target.std((2, 3))).norm()))
    assert distances == sorted(distances, reverse=True), distances
    assert torch.equal(scene.run(StyleSettings(adain_rate=0.5, adain_start=0.6, adain_end=0.4)), scene.paper)


def test_per_step_adain_of_a_masked_style_acts_in_its_mask(scene):
    left = torch.zeros(1, 16, 24)
    left[:, :, :12] = 1
    denoised = torch.randn(1, 4, 16, 24)
    result = step_adain(denoised, [scene.style.bank.clean], [1.0], [left], 1.0)
    assert torch.allclose(result[..., 12:], denoised[..., 12:], atol=1e-6)
    assert nodes.relative_error(result[..., :12], denoised[..., :12]) > 1e-2


def test_tau_follows_the_number_of_tokens():
    assert token_scale(4096, 4096) == 1
    assert token_scale(16384, 4096) > 1 > token_scale(1024, 4096)


def test_tau_at_the_trained_size_is_tau(scene):
    assert nodes.relative_error(scene.run(StyleSettings(trained_size=128)), scene.paper) < 1e-6
    assert nodes.relative_error(scene.run(StyleSettings(trained_size=512)), scene.paper) > 1e-4


def test_residual_features_hold_the_content(scene, with_features):
    # all of the content's features at every decoder block and its queries: the content's own prediction comes back
    plain = nodes.sample(scene.model, scene.conditioning, scene.start, None, scene.query)
    distances = []
    for strength in (0.0, 0.5, 1.0):
        settings = StyleSettings(feature_strength=strength, feature_end=1.0)
        result = scene.run(settings, with_features)
        assert torch.isfinite(result).all()
        distances.append(nodes.relative_error(result, scene.paper))
    assert distances == sorted(distances)
    assert distances[-1] > 1e-4
    assert nodes.relative_error(plain, scene.paper) > 1e-4
    # features alone, without style keys and values
    only = scene.run(
        StyleSettings(feature_strength=1.0, feature_end=1.0), with_features, start_percent=1.0, end_percent=1.0
    )
    assert nodes.relative_error(only, plain) < nodes.relative_error(scene.paper, plain)


def test_residual_features_are_the_blocks_output(scene, with_features):
    bank = with_features.bank
    assert {tuple(levels.shape) for levels in bank.residuals.values()} == {(6, 1, 128, 4, 6)}
    assert not scene.query.bank.residuals


def test_feature_strength_without_features_says_what_to_do(scene):
    with pytest.raises(ValueError, match=r"residual_features of DDIM Invert to output\.4"):
        scene.run(StyleSettings(feature_strength=0.5))


@pytest.mark.parametrize("text", ["output.12", "middle", "output", "four"])
def test_a_wrong_residual_block_is_quoted(text):
    with pytest.raises(ValueError, match=rf'"{text}" is not one of the decoder blocks output\.0-11'):
        DDIMInvert.execute(
            model=tiny_model(),
            conditioning=tiny_conditioning(),
            latent=nodes.latent(1, 4, 8, 8),
            steps=2,
            refinement=0,
            layers="auto",
            storage="auto",
            residual_features=text,
        )


def test_high_pass_keeps_edges_and_the_mean_and_drops_broad_light():
    wide = torch.linspace(-1, 1, 64).sin().expand(1, 1, 64, 64)
    fine = torch.tensor([1.0, -1.0]).repeat(32).expand(1, 1, 64, 64)
    mean = 0.3
    out = high_pass(wide + fine + mean, 1.0, 0.1)
    assert out.mean() == pytest.approx(float((wide + fine + mean).mean()), abs=1e-4)
    assert (high_pass(fine, 1.0, 0.1) - fine).abs().max() < 1e-3
    assert high_pass(wide, 1.0, 0.1).std() < 0.5 * wide.std()
    assert torch.equal(high_pass(wide, 0.0, 0.1), wide)


def test_high_pass_works_in_the_node_on_odd_sizes():
    content, style = nodes.latent(1, 4, 9, 15, seed=1), nodes.latent(1, 4, 8, 8, seed=2)
    out = LatentAdaIN.execute(content, style, 1.0, "global", 16, 0.8, 0.2).result[0]["samples"]
    assert out.shape == (1, 4, 9, 15)
    assert torch.allclose(out.mean((2, 3)), style["samples"].mean((2, 3)), atol=1e-4)


def test_content_aware_statistics_are_the_strength():
    # AttenST mixes the statistics, 0.6 style + 0.4 content; AdaIN is linear in them, so that is strength 0.6
    content, style = nodes.latent(1, 4, 8, 8, seed=1)["samples"], 2 * nodes.latent(1, 4, 8, 8, seed=2)["samples"] + 1

    def stats(x):
        return x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)

    (mean_c, std_c), (mean_s, std_s) = stats(content), stats(style)
    mixed = (content - mean_c) / std_c * (0.6 * std_s + 0.4 * std_c) + 0.6 * mean_s + 0.4 * mean_c
    ours = nodes.adain({"samples": content}, {"samples": style}, strength=0.6)["samples"]
    assert torch.allclose(ours, mixed, atol=1e-4)


@pytest.mark.parametrize(("latents", "styles"), [(1, 3), (2, 3)])
def test_per_step_adain_pairs_latents_with_style_images_or_names_both_counts(latents, styles):
    denoised, style = torch.randn(latents, 4, 6, 6), torch.randn(styles, 4, 5, 5)
    with pytest.raises(ValueError, match=f"{latents} latents .* {styles} style images"):
        step_adain(denoised, [style], [1.0], [None], 0.5)
    assert step_adain(torch.randn(3, 4, 6, 6), [style], [1.0], [None], 0.5).shape == (3, 4, 6, 6)
