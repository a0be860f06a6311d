"""Inverted LATENTs know what they were and how far they went; what does not fit together is said in a sentence."""

from __future__ import annotations

import logging

import comfy.model_sampling
import pytest
import run_nodes as nodes
import style_files
import torch
from cellstyle.engine.inverted_latent import KEY, clean_of, inversion_of, signal_share
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

import nodes as comfy_nodes

MULTISTEP = {"solver": "multistep", "spacing": "linspace"}
CONTENT, STYLE = nodes.latent(3, 4, 16, 12, seed=1), nodes.latent(1, 4, 8, 16, seed=2)
# the tiny model has no scale of its own: its latents have a picture's spread at 1
CONTENT["samples"], STYLE["samples"] = CONTENT["samples"] / 5.5, STYLE["samples"] / 5.5


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def conditioning():
    return tiny_conditioning()


@pytest.fixture(scope="module")
def inverted(model, conditioning) -> dict:
    with torch.inference_mode():
        return nodes.invert(model, conditioning, CONTENT, steps=3, **MULTISTEP)[0]


@pytest.fixture(scope="module")
def captured(model, conditioning) -> tuple:
    with torch.inference_mode():
        return nodes.capture(model, conditioning, STYLE, steps=3, **MULTISTEP)


def test_an_inversion_carries_its_picture_its_levels_and_its_solver(inverted, captured):
    for latent, clean in ((inverted, CONTENT), (captured[1], STYLE)):
        found = inversion_of(latent)
        assert torch.equal(found.clean, clean["samples"])
        assert found.inverted is latent["samples"]
        assert (found.solver, found.spacing, found.signal) == ("multistep", "linspace", 1.0)
        assert len(found.sigmas) == 4 and found.start == float(found.sigmas[0]) > 10


def test_the_signals_share_is_the_models_own(model):
    class Flow(comfy.model_sampling.ModelSamplingDiscreteFlow, comfy.model_sampling.CONST):
        """As ComfyUI puts them together."""

    flow = Flow()
    for sigma in (0.1, 0.75, 1.0):
        assert signal_share(flow, sigma) == pytest.approx(1 - sigma)
        assert signal_share(model.get_model_object("model_sampling"), 10 * sigma) == 1


def scaled(latent: dict, width: int, height: int) -> dict:
    return comfy_nodes.LatentUpscale().upscale(latent, "bilinear", width, height, "disabled")[0]


def test_what_other_nodes_pick_and_repeat_is_found_again(inverted):
    clean = CONTENT["samples"]
    picked = comfy_nodes.LatentFromBatch().frombatch(inverted, 1, 2)[0]
    assert torch.equal(clean_of(picked, "content"), clean[1:3])
    twice = comfy_nodes.RepeatLatentBatch().repeat(picked, 2)[0]
    assert torch.equal(clean_of(twice, "content"), clean[[1, 2, 1, 2]])
    masked = comfy_nodes.SetLatentNoiseMask().set_mask(inverted, torch.ones(1, 128, 96))[0]
    assert torch.equal(clean_of(masked, "content"), clean)


def test_a_scaled_latent_gets_its_clean_latent_scaled(inverted):
    larger = clean_of(scaled(inverted, 144, 192), "content")
    assert larger.shape == (3, 4, 24, 18)
    back = torch.nn.functional.interpolate(larger, (16, 12), mode="area")
    assert nodes.relative_error(back, CONTENT["samples"]) < 0.3


def test_what_was_cut_turned_or_mixed_after_the_inversion_is_said(inverted, captured, caplog):
    cropped = comfy_nodes.LatentCrop().crop(inverted, 96, 64, 0, 0)[0]
    turned = comfy_nodes.LatentRotate().rotate(inverted, "90 degrees")[0]
    for changed in (cropped, turned):
        with pytest.raises(ValueError, match=r"cut or turned since.*before VAE Encode"):
            nodes.adain(changed, captured[1], mode="noise-preserving")
    other = {**inverted, "samples": inverted["samples"][:1] + 1}
    both = {**inverted, "samples": torch.cat([inverted["samples"], other["samples"]])}  # as LatentBatch does
    with pytest.raises(ValueError, match=r"holds 4 latents.*\(3\).*one batch before VAE Encode"):
        nodes.adain(both, captured[1], mode="noise-preserving")
    blended = {**inverted, "samples": inverted["samples"] * 0.5}
    with caplog.at_level(logging.WARNING):
        nodes.adain(blended, captured[1], mode="noise-preserving")
    assert "another node changed content after its inversion" in caplog.text


def test_a_start_of_another_level_is_refused_and_both_are_described(model, conditioning, inverted, captured):
    others = {
        r"3 steps from noise level .* \(linspace\), style over 3 steps .* \(leading\)": {"steps": 3},
        r"style over 10 steps .* \(leading\)": {"steps": 10},
        r"style over 2 steps from noise level 2:": {"sigmas": torch.tensor([2.0, 1.0, 0.0])},
    }
    for words, how in others.items():
        style_kv, start = nodes.capture(model, conditioning, STYLE, **how)
        with pytest.raises(ValueError, match=words):
            nodes.adain(inverted, start)
    query = nodes.invert(model, conditioning, CONTENT, steps=3, **MULTISTEP)[1]
    with pytest.raises(ValueError, match=r"content_query .* \(linspace\), style_kv over 2 steps from noise level 2:"):
        nodes.sample(model, conditioning, inverted, style_kv, query)
    with pytest.raises(ValueError, match=r"the latent was inverted over 3 steps .* but is sampled over 2 steps"):
        nodes.sample(model, conditioning, inverted, captured[0], gamma=0.0, sigmas=torch.tensor([2.0, 1.0, 0.0]))


def test_other_numbers_of_steps_from_the_same_level_fit(model, conditioning, inverted):
    style_kv, start = nodes.capture(model, conditioning, STYLE, steps=5, **MULTISTEP)
    query = nodes.invert(model, conditioning, CONTENT, steps=3, **MULTISTEP)[1]
    assert torch.isfinite(nodes.sample(model, conditioning, nodes.adain(inverted, start), style_kv, query)).all()


def test_a_pictures_own_latent_in_place_of_an_inverted_one_is_refused(model, conditioning, inverted, captured):
    """Also what a bypassed Style K/V Capture hands on."""
    with pytest.raises(ValueError, match=r"style looks like a picture's latent.*Style K/V Capture; if that"):
        nodes.adain(inverted, STYLE)
    with pytest.raises(ValueError, match=r"content looks like a picture's latent.*inverted of DDIM Invert"):
        nodes.adain(CONTENT, captured[1])
    query = nodes.invert(model, conditioning, CONTENT, steps=3, **MULTISTEP)[1]
    with pytest.raises(ValueError, match="straight from VAE Encode, where an inverted one belongs"):
        nodes.sample(model, conditioning, CONTENT, captured[0], query)


def test_latents_of_other_packs_get_a_warning_and_run(model, conditioning, inverted, captured, caplog):
    unknown = {"samples": inverted["samples"] * 1.01}
    with caplog.at_level(logging.WARNING):
        start = nodes.adain(unknown, captured[1])
        result = nodes.sample(model, conditioning, start, captured[0], gamma=0.0)
    assert torch.isfinite(result).all()
    assert "LatentAdaIN: content was not inverted by this pack; it should be at noise level" in caplog.text
    assert "InjectedSampler: the latent was not inverted by this pack" in caplog.text
    with pytest.raises(ValueError, match=r"content does not carry the clean latent.*or set mode to global"):
        nodes.adain(unknown, captured[1], mode="noise-preserving")


def test_two_latents_that_nobody_inverted_are_nobodys_business(caplog):
    with caplog.at_level(logging.WARNING):
        nodes.adain(CONTENT, STYLE)
    assert not caplog.text


def test_what_was_sampled_carries_no_inversion(model, conditioning, inverted, captured):
    out = nodes.InjectedSampler.execute(
        model=model, conditioning=conditioning, latent=nodes.adain(inverted, captured[1]), style_kv=captured[0],
        content_query=None, **{**nodes.DIALS, "gamma": 0.0},
    ).result[0]  # fmt: skip
    assert KEY not in out


def test_a_style_file_carries_its_clean_latent_where_a_model_gives_the_scale(tmp_path, monkeypatch):
    style_files.style_folder_in(tmp_path, monkeypatch)
    model, _, style_kv, start = style_files.captured_style()
    name = style_files.save(style_kv, start, form="full")
    loaded = style_files.load(name, model)[1]
    assert torch.allclose(inversion_of(loaded).clean, inversion_of(start).clean, atol=1e-5)
    assert inversion_of(loaded).start == inversion_of(start).start
    assert inversion_of(style_files.load(name)[1]).clean is None
