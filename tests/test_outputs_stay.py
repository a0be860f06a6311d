"""What has left a node stays as it is: nothing that samples with it, or captures again, writes to it."""

from __future__ import annotations

import copy

import pytest
import run_nodes as nodes
import torch
from cellstyle.nodes.apply_style import CellStyleApply
from cellstyle.nodes.blend_styles import CellStyleBlend
from comfy_extras.nodes_model_downscale import PatchModelAddDownscale
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model


def facts(value) -> dict:
    """All of a bank, tensors copied."""
    return {name: copy.deepcopy(kept) for name, kept in vars(value.bank).items() if name not in ("family", "layers")}


def same(one, other) -> bool:
    if torch.is_tensor(one):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def shrunk(model, block: int = 3):
    """Deep Shrink: another number of tokens in the blocks from `block` on, for the first half of the sampling."""
    made = PatchModelAddDownscale.execute(model, block, 2.0, 0.0, 0.5, True, "bicubic", "bicubic")
    return getattr(made, "result", made)[0]


@pytest.mark.parametrize("storage", ["ram", "recompute"])
def test_sampling_writes_to_nothing_that_came_by_a_wire(storage):
    model, conditioning = tiny_model(), tiny_conditioning()
    inverted, query, _ = nodes.invert(model, conditioning, nodes.latent(1, 4, 16, 16, seed=1), storage=storage)
    style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 16, 16, seed=2), storage=storage)
    before = facts(query), facts(style_kv)
    for each in (model, shrunk(model)):
        nodes.sample(each, conditioning, inverted, style_kv, query)
        nodes.sample(each, conditioning, inverted, style_kv, query, negative=conditioning, cfg=3.0)
        mixed = CellStyleBlend.execute({"style_1": style_kv}, "0.5", "replace", 0.0).result[0]
        nodes.sample(each, conditioning, inverted, mixed, query)
        CellStyleApply.execute(each, style_kv, query, **nodes.DIALS)
    assert same(before, (facts(query), facts(style_kv)))


def test_deep_shrink_at_the_sampler_goes_with_recomputing():
    model, conditioning = tiny_model(), tiny_conditioning()
    results = {}
    for storage in ("ram", "recompute"):
        inverted, query, _ = nodes.invert(model, conditioning, nodes.latent(1, 4, 16, 16, seed=1), storage=storage)
        style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 16, 16, seed=2), storage=storage)
        results[storage] = nodes.sample(shrunk(model), conditioning, inverted, style_kv, query)
    assert bool(torch.isfinite(results["recompute"]).all())
    # the stored features are of the model without that node, the others of the model with it: near, not the same
    assert 0 < nodes.relative_error(results["recompute"], results["ram"]) < 0.2
