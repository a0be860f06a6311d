"""A run with the nodes leaves nothing behind on the shared model."""

from __future__ import annotations

import comfy.sample
import pytest
import run_nodes as nodes
import torch
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

CONTENT = nodes.latent(1, 4, 16, 16, seed=1)
STYLE = nodes.latent(1, 4, 16, 16, seed=2)


def plain_ksampler(model, conditioning) -> torch.Tensor:
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(9))
    return comfy.sample.sample(
        model, noise, 4, 2.0, "euler", "normal", conditioning, conditioning, torch.zeros(1, 4, 16, 16), seed=9
    )


def state_of(model) -> tuple:
    weights = sum(float(p.double().sum()) for p in model.model.parameters())
    hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.model.modules())
    forwards = {type(m).forward.__qualname__ for m in model.model.modules()}
    instance_forwards = sum("forward" in vars(m) for m in model.model.modules())
    return (
        repr(model.model_options),
        repr({key: sorted(map(str, value)) for key, value in model.wrappers.items()}),
        sorted(model.patches),
        sorted(model.object_patches),
        weights,
        hooks,
        tuple(sorted(forwards)),
        instance_forwards,
    )


def test_a_plain_run_after_a_stylised_one_is_bit_identical():
    conditioning = tiny_conditioning()
    fresh = plain_ksampler(tiny_model(), conditioning)
    model = tiny_model()
    before = state_of(model)
    nodes.transfer(model, conditioning, CONTENT, STYLE)
    assert state_of(model) == before
    assert torch.equal(plain_ksampler(model, conditioning), fresh)


def test_a_failed_run_leaves_the_model_as_it_was():
    model, conditioning = tiny_model(), tiny_conditioning()
    before = state_of(model)
    query = nodes.invert(model, conditioning, CONTENT)[1]
    style_kv, _ = nodes.capture(model, conditioning, nodes.latent(2, 4, 16, 16))
    with pytest.raises(ValueError, match="3 latents and 2 styles"):
        nodes.sample(model, conditioning, nodes.latent(3, 4, 16, 16), style_kv, query)

    class Stop(Exception):
        pass

    def interrupt(args):
        raise Stop

    broken = model.clone()
    broken.set_model_sampler_post_cfg_function(interrupt)
    for run in (
        lambda: nodes.invert(broken, conditioning, CONTENT),
        lambda: nodes.sample(broken, conditioning, CONTENT, None, query),
    ):
        with pytest.raises(Stop):
            run()
    assert state_of(model) == before


def test_inputs_are_not_written_to():
    model, conditioning = tiny_model(), tiny_conditioning()
    content, style = nodes.latent(1, 4, 16, 16, seed=1), nodes.latent(1, 4, 16, 16, seed=2)
    copies = [x["samples"].clone() for x in (content, style)]
    inverted, query, sigmas = nodes.invert(model, conditioning, content)
    style_kv, style_inverted = nodes.capture(model, conditioning, style)
    start = nodes.adain(inverted, style_inverted)
    kept = [x["samples"].clone() for x in (inverted, style_inverted, start)]
    features = {k: v.clone() for k, v in style_kv.bank.level(0).tensors.items()}
    first = nodes.sample(model, conditioning, start, style_kv, query)
    second = nodes.sample(model, conditioning, start, style_kv, query)
    assert torch.equal(first, second)
    assert all(torch.equal(a, b["samples"]) for a, b in zip(copies, (content, style), strict=True))
    assert all(torch.equal(a, b["samples"]) for a, b in zip(kept, (inverted, style_inverted, start), strict=True))
    assert all(torch.equal(features[k], style_kv.bank.level(0).tensors[k]) for k in features)
    assert torch.equal(sigmas, query.bank.sigmas)


@pytest.mark.parametrize(
    "off",
    [
        {"style_kv": None},
        {"start_percent": 1.0, "end_percent": 1.0},
        {"start_percent": 0.6, "end_percent": 0.4},
    ],
)
def test_without_style_or_range_the_sampler_is_plain_ddim(off):
    model, conditioning = tiny_model(), tiny_conditioning()
    inverted, query, sigmas = nodes.invert(model, conditioning, CONTENT)
    style_kv, _ = nodes.capture(model, conditioning, STYLE)
    result = nodes.sample(model, conditioning, inverted, **{"style_kv": style_kv, "content_query": query, **off})
    plain = comfy.sample.sample_custom(
        model,
        torch.zeros_like(inverted["samples"]),
        1.0,
        comfy.samplers.sampler_object("ddim"),
        sigmas,
        conditioning,
        conditioning,
        inverted["samples"],
        seed=0,
    )
    assert torch.equal(result, plain)


def test_the_injection_acts_only_inside_its_range():
    model, conditioning = tiny_model(), tiny_conditioning()
    inverted, query, _ = nodes.invert(model, conditioning, CONTENT, steps=6)
    style_kv, _ = nodes.capture(model, conditioning, STYLE, steps=6)
    full = nodes.sample(model, conditioning, inverted, style_kv, query)
    early = nodes.sample(model, conditioning, inverted, style_kv, query, end_percent=0.5)
    late = nodes.sample(model, conditioning, inverted, style_kv, query, start_percent=0.5)
    off = nodes.sample(model, conditioning, inverted, None, query)
    different = [full, early, late, off]
    for i, a in enumerate(different):
        for b in different[i + 1 :]:
            assert nodes.relative_error(a, b) > 1e-4
