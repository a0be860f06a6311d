"""Conditionings that cannot work are refused in words, by every node that runs the network."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.engine.check_conditioning import levels_left_out
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

LEAN = {"transformer_depth": [0] * 8, "transformer_depth_output": [1] * 6 + [0] * 6}


@pytest.fixture(scope="module")
def scene():
    class Scene:
        model, conditioning = tiny_model(**LEAN), tiny_conditioning()
        content = nodes.latent(1, 4, 8, 8, seed=1)

    with torch.inference_mode():
        Scene.start, Scene.query, Scene.sigmas = nodes.invert(Scene.model, Scene.conditioning, Scene.content)
        Scene.style = nodes.capture(Scene.model, Scene.conditioning, nodes.latent(1, 4, 8, 12, seed=2))[0]
    return Scene


def runs(scene, conditioning):
    """The three ways in which a CONDITIONING meets the network."""
    return {
        "DDIMInvert": lambda: nodes.invert(scene.model, conditioning, scene.content),
        "StyleKVCapture": lambda: nodes.capture(scene.model, conditioning, scene.content),
        "InjectedSampler": lambda: nodes.sample(scene.model, conditioning, scene.start, scene.style, scene.query),
    }


def ranged(conditioning, start: float, end: float) -> list:
    return [[conditioning[0][0], {"start_percent": start, "end_percent": end}]]


CASES = {
    "another text encoder's width": (lambda c: tiny_conditioning(width=48), "width 48, and this model reads 32"),
    "an empty list": (lambda c: [], "is an empty list"),
    "no tokens": (lambda c: [[None, {}]], "no text tokens"),
    "tokens without a batch": (lambda c: [[c[0][0][0], {}]], "no text tokens"),
    "a late start": (lambda c: ranged(c, 0.3, 1.0), r"leaves out . of the steps"),
    "an early end": (lambda c: ranged(c, 0.0, 0.5), "leaves out 2 of the steps"),
    "a gap": (lambda c: ranged(c, 0.0, 0.2) + ranged(c, 0.8, 1.0), "leaves out . of the steps"),
}


@pytest.mark.parametrize("name", ["DDIMInvert", "StyleKVCapture", "InjectedSampler"])
@pytest.mark.parametrize("case", CASES)
def test_it_says_what_is_wrong_and_what_to_connect(scene, case, name):
    make, words = CASES[case]
    with pytest.raises(ValueError, match=f"of {name} .*({words})"):
        runs(scene, make(scene.conditioning))[name]()


@pytest.mark.parametrize("name", ["DDIMInvert", "StyleKVCapture", "InjectedSampler"])
def test_ranges_that_meet_are_fine(scene, name):
    runs(scene, ranged(scene.conditioning, 0.0, 0.5) + ranged(scene.conditioning, 0.5, 1.0))[name]()


def test_a_negative_is_looked_at_too(scene):
    with pytest.raises(ValueError, match="negative of InjectedSampler has text tokens of width 48"):
        nodes.sample(
            scene.model,
            scene.conditioning,
            scene.start,
            scene.style,
            scene.query,
            negative=tiny_conditioning(width=48),
            cfg=2.0,
        )


def test_sdxl_wants_a_pooled_output():
    model = tiny_model("sdxl")
    with pytest.raises(ValueError, match="no pooled output, which SDXL needs"):
        nodes.invert(model, tiny_conditioning(), nodes.latent(1, 4, 8, 8), 1)


def test_levels_left_out_follows_each_range():
    def sigma(percent):
        return 10.0 * (1 - percent)

    levels = [9.0, 5.0, 1.0]
    assert levels_left_out([{}], levels, sigma) == []
    assert levels_left_out([], levels, sigma) == levels
    assert levels_left_out([{"start_percent": 0.3}], levels, sigma) == [9.0]
    assert levels_left_out([{"end_percent": 0.3}], levels, sigma) == [5.0, 1.0]
    assert levels_left_out([{"end_percent": 0.3}, {"start_percent": 0.6}], levels, sigma) == [5.0]
