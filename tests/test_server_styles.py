"""Apply, Blend and Settings on a real ComfyUI server, wired as a user would."""

from __future__ import annotations

import host_layout
import pytest
from comfy_client import ExecutionError
from test_server import GRAPH, calls, changed, digest, without_output_cache

DIALS = {
    key: value
    for key, value in GRAPH["sample"]["inputs"].items()
    if key in ("gamma", "tau", "gamma_curve", "gamma_end", "layers", "start_percent", "end_percent")
}


def any_sampler(graph: dict, sampler: str = "euler", style: list | None = None) -> dict:
    """The same graph with CellStyleApply and SamplerCustomAdvanced in the place of InjectedSampler."""
    graph = {key: value for key, value in graph.items() if key != "sample"}
    apply = {"model": ["count", 0], "style_kv": style or ["capture", 0], "content_query": ["invert", 1], **DIALS}
    return {
        **graph,
        "apply": {"class_type": "CellStyleApply", "inputs": apply},
        "guider": {"class_type": "BasicGuider", "inputs": {"model": ["apply", 0], "conditioning": ["model", 1]}},
        "noise": {"class_type": "DisableNoise", "inputs": {}},
        "select": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": sampler}},
        "sample": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                "noise": ["noise", 0],
                "guider": ["guider", 0],
                "sampler": ["select", 0],
                "sigmas": ["invert", 2],
                "latent_image": ["adain", 0],
            },
        },
    }


def blended(graph: dict, **inputs) -> dict:
    """The graph with a second style, and CellStyleBlend between the captures and the sampler."""
    second = {**graph["style"]["inputs"], "seed": 9, "height": 24}
    capture = {**graph["capture"]["inputs"], "latent": ["style2", 0]}
    return {
        **changed(graph, sample__style_kv=["blend", 0]),
        "style2": {"class_type": "CellStyleTestLatent", "inputs": second},
        "capture2": {"class_type": "StyleKVCapture", "inputs": capture},
        "mask": {"class_type": "SolidMask", "inputs": {"value": 0.5, "width": 64, "height": 64}},
        "blend": {
            "class_type": "CellStyleBlend",
            "inputs": {"styles.style_1": ["capture", 0], "weights": "", "mode": "replace", "share_bias": 0.0, **inputs},
        },
    }


def test_apply_with_euler_and_ddim_is_injected_sampler_bit_for_bit(client):
    graph = without_output_cache(GRAPH, 40)
    expected = digest(client.run(graph))
    for sampler in ("euler", "ddim"):
        assert digest(client.run(any_sampler(graph, sampler))) == expected
    assert digest(client.run(any_sampler(graph, "heun"))) != expected


def test_apply_works_in_ksampler_advanced(client):
    graph = any_sampler(without_output_cache(GRAPH, 41))
    graph = {key: value for key, value in graph.items() if key not in ("guider", "noise", "select")}
    graph["sample"] = {
        "class_type": "KSamplerAdvanced",
        "inputs": {
            "model": ["apply", 0],
            "add_noise": "disable",
            "noise_seed": 0,
            "steps": 4,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "ddim_uniform",
            "positive": ["model", 1],
            "negative": ["model", 1],
            "latent_image": ["adain", 0],
            "start_at_step": 0,
            "end_at_step": 10000,
            "return_with_leftover_noise": "disable",
        },
    }
    assert digest(client.run(graph)) == digest(client.run(without_output_cache(GRAPH, 41)))


def test_a_batch_through_apply(client):
    graph = changed(without_output_cache(GRAPH, 42), content__batch=2, content__height=9)
    result = client.run(any_sampler(graph))
    assert result.outputs["digest"]["text"][1] == "(2, 4, 9, 16)"


def test_blend_of_one_style_is_the_plain_injection_bit_for_bit(client):
    graph = without_output_cache(GRAPH, 43)
    one = {key: value for key, value in blended(graph).items() if key not in ("style2", "capture2", "mask")}
    assert digest(client.run(one)) == digest(client.run(graph))


def test_blend_of_two_by_weight_and_by_mask_share_the_captures(client):
    graph = without_output_cache(GRAPH, 44)
    two = {"styles.style_2": ["capture2", 0]}
    first = client.run(blended(graph, **two))
    before = calls(client)
    weighted = client.run(blended(graph, **{**two, "weights": "0.8, 0.2"}))
    masked = client.run(blended(graph, **{**two, "masks.mask_1": ["mask", 0]}))
    shared = client.run(blended(graph, **{**two, "mode": "share", "share_bias": 1.0}))
    assert calls(client) - before == 3 * 4
    assert len({digest(result) for result in (first, weighted, masked, shared)}) == 4


def test_settings_through_the_server(server, client):
    graph = without_output_cache(GRAPH, 45)
    settings = {
        "query_start": 0.0,
        "query_end": 0.5,
        "layer_gamma": "output.9-11: 0.5",
        "adain_rate": 0.4,
        "adain_start": 0.0,
        "adain_end": 0.8,
        "trained_size": 512,
        "feature_strength": 0.5,
        "feature_end": 0.8,
    }
    graph["settings"] = {"class_type": "CellStyleSettings", "inputs": settings}
    with_settings = changed(graph, sample__settings=["settings", 0], invert__residual_features="output.4")
    plain = digest(client.run(without_output_cache(GRAPH, 45)))
    if server.host.version != host_layout.DEFAULT_VERSION:
        with pytest.raises(ExecutionError, match="this version of ComfyUI does not let a node read residual blocks"):
            client.run(with_settings)
        with_settings = changed(with_settings, settings__feature_strength=0.0, invert__residual_features="")
    assert digest(client.run(with_settings)) != plain
