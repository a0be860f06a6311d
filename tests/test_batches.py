"""A batch gives the images of single runs; sizes and aspect ratios are free."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.nodes.injected_sampler import InjectedSampler
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model


def one(latent: dict, i: int) -> dict:
    return {"samples": latent["samples"][i : i + 1]}


@pytest.mark.parametrize(("contents", "styles"), [(3, 1), (2, 2), (1, 3)])
def test_a_batch_is_its_single_runs(contents, styles):
    model, conditioning = tiny_model(), tiny_conditioning()
    content, style = nodes.latent(contents, 4, 16, 16, seed=1), nodes.latent(styles, 4, 16, 24, seed=2)
    together = nodes.transfer(model, conditioning, content, style, 3)
    count = max(contents, styles)
    assert together.shape == (count, 4, 16, 16)
    for i in range(count):
        alone = nodes.transfer(model, conditioning, one(content, i % contents), one(style, i % styles), 3)
        assert nodes.relative_error(together[i : i + 1], alone) <= 1e-4


def test_one_content_and_many_styles_need_no_adain_to_multiply():
    model, conditioning = tiny_model(), tiny_conditioning()
    content, style = nodes.latent(1, 4, 8, 8, seed=1), nodes.latent(2, 4, 8, 8, seed=2)
    assert len(nodes.transfer(model, conditioning, content, style, 2, use_adain=False)) == 2


@pytest.mark.parametrize(
    ("contents", "styles", "message"), [(2, 3, "2 contents and 3 styles"), (3, 2, "3 contents and 2 styles")]
)
def test_other_counts_are_refused_with_both_numbers(contents, styles, message):
    model, conditioning = tiny_model(), tiny_conditioning()
    content, style = nodes.latent(contents, 4, 8, 8, seed=1), nodes.latent(styles, 4, 8, 8, seed=2)
    with pytest.raises(ValueError, match=message):
        nodes.transfer(model, conditioning, content, style, 2)
    with pytest.raises(ValueError, match=f"{contents} latents and {styles} styles"):
        nodes.transfer(model, conditioning, content, style, 2, use_adain=False)


def test_contents_that_do_not_match_the_latents_are_refused():
    model, conditioning = tiny_model(), tiny_conditioning()
    query = nodes.invert(model, conditioning, nodes.latent(2, 4, 8, 8), steps=2)[1]
    style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 8, 8), steps=2)
    with pytest.raises(ValueError, match="3 latents are sampled with 2 content images"):
        nodes.sample(model, conditioning, nodes.latent(3, 4, 8, 8), style_kv, query)


# latent sizes of 520x376, 72x136 and 1x.. pixels: odd everywhere, down to a token grid of 1
@pytest.mark.parametrize(("content", "style"), [((65, 47), (33, 50)), ((9, 17), (64, 8)), ((8, 8), (5, 3))])
def test_odd_and_non_square_sizes(content, style):
    model, conditioning = tiny_model(), tiny_conditioning()
    result = nodes.transfer(
        model, conditioning, nodes.latent(1, 4, *content, seed=1), nodes.latent(1, 4, *style, seed=2), 2
    )
    assert result.shape == (1, 4, *content)
    assert torch.isfinite(result).all()


def test_the_content_may_be_sampled_at_another_size():
    # as after a latent upscale: queries are resampled on their grid
    model, conditioning = tiny_model(), tiny_conditioning()
    inverted, query, _ = nodes.invert(model, conditioning, nodes.latent(1, 4, 16, 12, seed=1), steps=3)
    style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 16, 16, seed=2), steps=3)
    larger = {"samples": torch.nn.functional.interpolate(inverted["samples"], size=(24, 18), mode="nearest")}
    for gamma in (0.75, 0.0):
        result = nodes.sample(model, conditioning, larger, style_kv, query, gamma=gamma)
        assert result.shape == (1, 4, 24, 18)


def test_guidance_stacks_conditionings_and_both_are_injected():
    model, conditioning, negative = tiny_model(), tiny_conditioning(), tiny_conditioning(seed=8)
    content, style = nodes.latent(2, 4, 8, 8, seed=1), nodes.latent(1, 4, 8, 8, seed=2)
    plain = nodes.transfer(model, conditioning, content, style, 3)
    assert torch.equal(nodes.transfer(model, conditioning, content, style, 3, negative=negative, cfg=1.0), plain)
    guided = nodes.transfer(model, conditioning, content, style, 3, negative=negative, cfg=4.0)
    assert nodes.relative_error(guided, plain) > 1e-3
    # guidance between equal conditionings is none, if every chunk of the batch gets its own image's features
    same = nodes.transfer(model, conditioning, content, style, 3, negative=conditioning, cfg=4.0)
    assert nodes.relative_error(same, plain) <= 1e-4


def test_a_noise_mask_keeps_the_rest_of_the_content():
    model, conditioning = tiny_model(), tiny_conditioning()
    content = nodes.latent(1, 4, 16, 16, seed=1)
    mask = torch.zeros(1, 128, 128)
    mask[:, :, 64:] = 1
    content["noise_mask"] = mask
    result = nodes.transfer(model, conditioning, content, nodes.latent(1, 4, 16, 16, seed=2), 4)
    assert nodes.relative_error(result[..., :7], content["samples"][..., :7]) < 1e-5
    assert nodes.relative_error(result[..., 9:], content["samples"][..., 9:]) > 1e-2


def test_a_masked_latent_is_paired_before_its_mask_is_used():
    """Latent From Batch, 1 of 2, then Set Latent Noise Mask."""
    model, conditioning = tiny_model(), tiny_conditioning()
    start, query, _ = nodes.invert(model, conditioning, nodes.latent(2, 4, 8, 8), steps=2)
    style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 8, 8), steps=2)
    mask = torch.ones(1, 1, 64, 64)
    picked = {"samples": start["samples"][1:], "noise_mask": mask, "batch_index": [1]}
    with pytest.raises(ValueError, match="1 latents are sampled with 2 content images"):
        nodes.sample(model, conditioning, picked, style_kv, query)


def test_the_numbers_of_a_batch_stay_only_with_that_batch():
    model, conditioning = tiny_model(), tiny_conditioning()
    start, query, _ = nodes.invert(model, conditioning, nodes.latent(1, 4, 8, 8), steps=2)
    styles, inverted = nodes.capture(model, conditioning, nodes.latent(2, 4, 8, 8), steps=2)
    numbered = {**start, "batch_index": [7]}
    inputs = {"model": model, "conditioning": conditioning, "content_query": query, **nodes.DIALS}
    grown = InjectedSampler.execute(latent=numbered, style_kv=styles, **inputs).result[0]
    assert len(grown["samples"]) == 2
    assert "batch_index" not in grown
    assert "batch_index" not in nodes.adain(numbered, inverted)
    one_style = nodes.capture(model, conditioning, nodes.latent(1, 4, 8, 8), steps=2)[0]
    kept = InjectedSampler.execute(latent=numbered, style_kv=one_style, **inputs).result[0]
    assert kept["batch_index"] == numbered["batch_index"] == [7]
