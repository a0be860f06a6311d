"""AdaIN before the inversion: what is inverted is recoloured, and sampling alone gives the recoloured picture."""

from __future__ import annotations

import functools
import logging
import math

import pytest
import run_nodes as nodes
import tiny_flow
import torch
from cellstyle.engine.inverted_latent import inversion_of
from cellstyle.equations.high_pass import high_pass
from cellstyle.equations.noise_preserving_adain import bounded_adain
from cellstyle.node_parts.transfer_inputs import STARTS
from cellstyle.nodes.transfer import CellStyleTransfer
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from comfy_test_nodes.tiny_transformers import tiny_text
from transformer_runs import model_of

MODE = "before inversion"
FAST = {"solver": "multistep", "spacing": "linspace"}
flow = functools.cache(tiny_flow.flow_model)


def picture(count: int, *size: int, seed: int) -> dict:
    """A LATENT of the tiny model's own scale."""
    return {"samples": nodes.latent(count, 4, *size, seed=seed)["samples"] / 5.5}


def flow_picture(count: int, seed: int) -> dict:
    return {"samples": flow().model.process_latent_out(tiny_flow.pictures(count, seed))}


CONTENT, STYLE = picture(2, 16, 12, seed=1), picture(1, 8, 20, seed=2)
STYLE["samples"] = 0.6 * STYLE["samples"] + 0.4
SCENES = ("unet", "flow")


@functools.cache
def scene_of(name: str) -> tuple:
    """MODEL, CONDITIONING, content, style, steps."""
    if name == "flow":
        return flow(), tiny_flow.flow_text(), flow_picture(2, 5), flow_picture(1, 9), 20
    # a random network is less smooth over the levels than a trained one: let it predict little
    return tiny_model(output_gain=0.02), tiny_conditioning(), CONTENT, STYLE, 40


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    flow.cache_clear(), scene_of.cache_clear()


def recoloured(content: dict, style: dict, **more) -> dict:
    return nodes.LatentAdaIN.execute(
        content, style, **{"strength": 1.0, "mode": MODE, "patch_size": 16, **more}
    ).result[0]


def decibels(result: torch.Tensor, wanted: torch.Tensor) -> float:
    peak = float(wanted.max() - wanted.min())
    return 20 * math.log10(peak / float((result - wanted).square().mean().sqrt()))


@pytest.mark.parametrize("scene", SCENES)
def test_sampling_without_injection_gives_the_recoloured_latents(scene, caplog):
    model, conditioning, content, style, steps = scene_of(scene)
    before = recoloured(content, style)
    wanted = bounded_adain(content["samples"], style["samples"])
    assert torch.equal(before["samples"], wanted) and inversion_of(before) is None
    start, query, sigmas = nodes.invert(model, conditioning, before, steps, **FAST)
    assert torch.allclose(inversion_of(start).clean, wanted, atol=1e-6)
    with caplog.at_level(logging.WARNING):
        back = nodes.sample(model, conditioning, start, content_query=query, sigmas=sigmas)
    assert decibels(back, wanted) >= 35
    assert "was not inverted by this pack" not in caplog.text


@pytest.mark.parametrize("scene", SCENES)
def test_with_the_style_injected_the_inversion_gives_start_and_queries(scene):
    model, conditioning, content, style, _ = scene_of(scene)
    start, query, _ = nodes.invert(model, conditioning, recoloured(content, style), 4, **FAST)
    style_kv, _ = nodes.capture(model, conditioning, style, 4, **FAST)
    plain = nodes.sample(model, conditioning, start, None, query)
    drawn = nodes.sample(model, conditioning, start, style_kv, query, gamma=0.5)
    assert bool(drawn.isfinite().all()) and not torch.allclose(drawn, plain, atol=1e-4)


@pytest.mark.parametrize("scene", SCENES)
def test_where_the_content_is_the_style_it_is_the_plain_inversion(scene):
    model, conditioning, content, _, _ = scene_of(scene)
    start, plain = (
        nodes.invert(model, conditioning, each, 5, **FAST)[0]["samples"]
        for each in (recoloured(content, content), content)
    )
    assert nodes.relative_error(start, plain) <= 1e-4


@pytest.mark.parametrize(("contents", "styles"), [(2, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize("scene", SCENES)
def test_a_batch_is_its_single_runs(scene, contents, styles):
    model, conditioning, *_ = scene_of(scene)
    content, style = picture(contents, 16, 12, seed=1), picture(styles, 8, 20, seed=2)
    if scene == "flow":
        content, style = flow_picture(contents, 5), flow_picture(styles, 9)
    together = nodes.invert(model, conditioning, recoloured(content, style), 4, **FAST)[0]["samples"]
    assert len(together) == max(contents, styles)
    for i in range(len(together)):
        one = {"samples": content["samples"][i % contents][None]}, {"samples": style["samples"][i % styles][None]}
        alone = nodes.invert(model, conditioning, recoloured(*one), 4, **FAST)[0]["samples"]
        assert nodes.relative_error(together[i : i + 1], alone) <= 1e-4


def test_latents_with_frames():
    model, text = model_of("qwen"), tiny_text("qwen")
    flat, style = nodes.latent(1, 16, 8, 8, seed=1), nodes.latent(1, 16, 8, 12, seed=2)
    content, framed = ({"samples": each["samples"].unsqueeze(2)} for each in (flat, style))
    before = recoloured(content, framed)
    assert torch.allclose(before["samples"].squeeze(2), recoloured(flat, style)["samples"], atol=1e-5)
    assert nodes.invert(model, text, before, 3, **FAST)[0]["samples"].shape == (1, 16, 1, 8, 8)


def test_strength_and_high_pass_act_as_in_the_other_modes():
    z, full = CONTENT["samples"], bounded_adain(CONTENT["samples"], STYLE["samples"])
    assert torch.allclose(recoloured(CONTENT, STYLE, strength=0.25)["samples"], torch.lerp(z, full, 0.25), atol=1e-6)
    flatter = recoloured(CONTENT, STYLE, strength=0.0, high_pass_amount=1.0, high_pass_cutoff=0.2)
    assert torch.allclose(flatter["samples"], high_pass(z, 1.0, 0.2), atol=1e-6)
    assert recoloured(CONTENT, STYLE, strength=0.0) is CONTENT


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_type(dtype):
    half = recoloured({"samples": CONTENT["samples"].to(dtype)}, STYLE)["samples"]
    assert half.dtype == dtype
    assert torch.allclose(half.float(), recoloured(CONTENT, STYLE)["samples"], atol=0.05)


def test_other_keys_of_the_latent_stay():
    mask = torch.ones(1, 1, 16, 12)
    before = recoloured({**CONTENT, "noise_mask": mask, "batch_index": [4, 5]}, STYLE)
    assert before["noise_mask"] is mask and before["batch_index"] == [4, 5]


def test_what_is_inverted_already_is_refused():
    model, conditioning, content, style, _ = scene_of("unet")
    x = nodes.invert(model, conditioning, content, 2)[0]
    y = nodes.capture(model, conditioning, style, 2)[1]
    words = "{} is inverted already: in mode before inversion connect VAE Encode here"
    with pytest.raises(ValueError, match=words.format("content") + ", and DDIM Invert after this node"):
        recoloured(x, style)
    with pytest.raises(ValueError, match=words.format("style")):
        recoloured(content, y)
    with pytest.raises(ValueError, match="content holds no image or video latent; connect the output of VAE Encode"):
        recoloured({"samples": None}, style)


@pytest.mark.parametrize(
    ("choice", "first"),
    [
        ({"start": MODE}, True),
        ({"start": MODE, "speed": "fast"}, True),
        ({"start": MODE, "speed": "paper"}, False),
        ({"start": MODE, "preset": "balanced"}, False),
        ({}, False),
    ],
    ids=["alone", "fast", "paper", "a look", "another start"],
)
def test_the_one_node_puts_adain_before_the_inversion_in_that_start_alone(choice, first):
    wires = {name: [name, 0] for name in ("model", "conditioning", "vae", "content", "style")}
    graph = CellStyleTransfer.execute(**wires, gamma=0.6, tau=1.2, steps=7, refinement=0, **choice).expand
    names = {node["class_type"]: name for name, node in graph.items()}
    inner = {node["class_type"]: node["inputs"] for node in graph.values()}
    adain, invert, sampler = inner["LatentAdaIN"], inner["DDIMInvert"], inner["InjectedSampler"]
    encoded = all(graph[adain[what][0]]["class_type"] == "VAEEncode" for what in ("content", "style"))
    assert encoded == first and (adain["mode"] == MODE) == first
    assert (invert["latent"] == [names["LatentAdaIN"], 0]) == first
    assert sampler["latent"][0] == names["DDIMInvert" if first else "LatentAdaIN"]
    assert sampler["content_query"] == [names["DDIMInvert"], 1]


def test_tiles_and_frames_which_share_a_palette_in_the_noise_do_not_offer_it():
    assert MODE not in STARTS
