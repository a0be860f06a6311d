"""One MODEL in several places of a graph: two styles, one style twice, and as it is."""

from __future__ import annotations

import run_nodes as nodes
import torch
from composition import PRESENT, STEPS, Scene


def test_two_injected_samplers_on_one_model():
    scene = Scene()
    other = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 16, 16, seed=4), STEPS)[0]

    def first():
        return nodes.sample(scene.model, scene.conditioning, scene.start, scene.style_kv, scene.query)

    def second():
        return nodes.sample(scene.model, scene.conditioning, scene.start, other, scene.query, gamma=0.3)

    one, two = first(), second()
    assert nodes.relative_error(one, two) > PRESENT
    assert torch.equal(first(), one)
    assert torch.equal(second(), two)


def test_patched_and_unpatched_side_by_side():
    # the patched models exist all the time, as in a graph whose nodes are cached
    scene = Scene()
    plain = scene.sample(scene.model)
    patched = [scene.inject(scene.model), scene.inject(scene.model, gamma=0.2), scene.inject(scene.model, tau=2.0)]
    results = [scene.sample(model) for model in patched]
    assert torch.equal(scene.sample(scene.model), plain)
    for model, result in zip(patched, results, strict=True):
        assert nodes.relative_error(result, plain) > PRESENT
        assert torch.equal(scene.sample(model), result)
        assert torch.equal(scene.sample(scene.model), plain)


def test_another_node_after_the_injection_does_not_reach_its_siblings():
    scene = Scene()
    injected = scene.inject(scene.model)
    before = scene.sample(injected)
    halved = injected.clone()
    halved.set_model_attn1_output_patch(lambda n, extra_options: n * 0.5)
    assert nodes.relative_error(scene.sample(halved), before) > PRESENT
    assert torch.equal(scene.sample(injected), before)
