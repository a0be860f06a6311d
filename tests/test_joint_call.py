"""Recomputed features in the sampler's own network call: the same picture, and only where rows are all there is."""

from __future__ import annotations

import comfy.model_management
import pytest
import run_nodes as nodes
import torch
from cellstyle.nodes.blend_styles import CellStyleBlend
from comfy_extras.nodes_hypertile import HyperTile
from comfy_test_nodes.tiny_models import tiny_conditioning
from composition import outputs
from test_storage import Graph

from nodes import ConditioningSetArea

STEPS = 4


class Rows:
    """Rows of every call of the network itself."""

    def __init__(self, graph: Graph):
        self.rows = []
        self.hook = graph.model.model.diffusion_model.register_forward_pre_hook(self)

    def __call__(self, module, args):
        self.rows.append(len(args[0]))

    def __enter__(self):
        return self.rows

    def __exit__(self, *_):
        self.hook.remove()


def rows_of(graph: Graph, model=None, captures=None, positive=None, **sampling) -> tuple[list[int], torch.Tensor]:
    start, style_kv, query, _ = captures or graph.captured("recompute")
    with Rows(graph) as rows:
        result = nodes.sample(model or graph.model, positive or graph.conditioning, start, style_kv, query, **sampling)
    return rows, result


def other_text(tokens: int) -> list:
    cross = torch.randn(1, tokens, tiny_conditioning()[0][0].shape[-1], generator=torch.Generator().manual_seed(7))
    return [[cross, {}]]


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({}, [3]),
        ({"style": (1, 4, 24, 16)}, [1, 1, 1]),
        ({"content": (2, 4, 16, 16)}, [5]),
        ({"content": (2, 4, 9, 15), "style": (2, 4, 9, 15)}, [6]),
        ({"style": (2, 4, 16, 16)}, [5]),
    ],
    ids=str,
)
def test_latents_of_one_size_ride_along(shapes, expected):
    graph = Graph(**shapes)
    rows, result = rows_of(graph)
    assert rows == expected * STEPS
    assert nodes.relative_error(result, graph.run("ram")) < 1e-4
    assert nodes.relative_error(result, graph.run("ram", gamma=0.0)) > 1e-3


@pytest.mark.parametrize(
    ("style", "expected"), [((1, 4, 16, 16), [2]), ((1, 4, 24, 16), [1, 1])], ids=["one size", "two sizes"]
)
def test_a_stored_style_beside_a_recomputed_content(style, expected):
    graph = Graph(style=style)
    start, _, query, sigmas = graph.captured("recompute")
    rows, result = rows_of(graph, captures=(start, graph.captured("ram")[1], query, sigmas))
    assert rows == expected * STEPS
    assert nodes.relative_error(result, graph.run("ram")) < 1e-4


def test_without_the_contents_queries_the_content_stays_out():
    graph = Graph()
    rows, result = rows_of(graph, gamma=0.0)
    assert rows == [2] * STEPS
    assert nodes.relative_error(result, graph.run("ram", gamma=0.0)) < 1e-4


def test_outside_the_injections_range_nothing_rides_along():
    assert rows_of(Graph(), start_percent=0.0, end_percent=0.5)[0] == [3, 3, 1, 1]


@pytest.mark.parametrize("kind", ["sdxl", "sd2v"])
def test_other_kinds_of_model(kind):
    graph = Graph(kind=kind)
    rows, result = rows_of(graph)
    assert rows == [3] * STEPS
    assert nodes.relative_error(result, graph.run("ram")) < 1e-4


@pytest.mark.parametrize(("times", "expected"), [(1, [3]), (2, [3]), (5, [2, 1])])
def test_a_text_of_its_own_at_the_sampler(times, expected):
    """ComfyUI stacks texts of different lengths where one fits into the other at most four times."""
    graph = Graph()
    text = other_text(graph.conditioning[0][0].shape[1] * times)
    rows, result = rows_of(graph, positive=text)
    assert rows == expected * STEPS
    start, style_kv, query, _ = graph.captured("ram")
    assert nodes.relative_error(result, nodes.sample(graph.model, text, start, style_kv, query)) < 1e-4
    assert nodes.relative_error(result, graph.run("ram")) > 1e-3


def test_a_text_for_each_picture():
    graph = Graph(content=(2, 4, 16, 16))
    cross = other_text(graph.conditioning[0][0].shape[1])[0][0]
    text = [[torch.cat([cross, -cross]), {}]]
    rows, result = rows_of(graph, positive=text)
    assert rows == [5] * STEPS
    start, style_kv, query, _ = graph.captured("ram")
    assert nodes.relative_error(result, nodes.sample(graph.model, text, start, style_kv, query)) < 1e-4


def function_wrapper(graph):
    model = graph.model.clone()
    model.set_model_unet_function_wrapper(lambda apply, args: apply(args["input"], args["timestep"], **args["c"]))
    return {"model": model}


def attention_patch(graph):
    model = graph.model.clone()
    model.set_model_attn1_patch(lambda n, context, value, options: (n, context, value))
    return {"model": model}


def foreign_wrapper(graph):
    model = graph.model.clone()
    model.add_wrapper("diffusion_model", lambda executor, *args, **kwargs: executor(*args, **kwargs))
    return {"model": model}


def foreign_post_cfg(graph):
    model = graph.model.clone()
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"])
    return {"model": model}


def an_area(graph):
    (area,) = ConditioningSetArea().append(other_text(8), 128, 64, 0, 0, 1.0)
    return {"positive": [*graph.conditioning, *area]}


def a_blend(graph):
    start, style_kv, query, sigmas = graph.captured("recompute")
    mixed = CellStyleBlend.execute({"style_1": style_kv, "style_2": style_kv}, "", "replace", 0.0, {}, {}).result[0]
    return {"captures": (start, mixed, query, sigmas)}


APART = {
    "function wrapper": function_wrapper,
    "attention patch": attention_patch,
    "another pack's wrapper": foreign_wrapper,
    "another pack's post-cfg function": foreign_post_cfg,
    "HyperTile": lambda graph: {"model": outputs(HyperTile.execute(graph.model, 32, 1, 1, False))[0]},
    "guidance": lambda graph: {"negative": other_text(8), "cfg": 7.0},
    "an area": an_area,
    "a blend": a_blend,
}


@pytest.mark.parametrize("name", APART)
def test_with_more_than_rows_the_features_are_computed_apart(name):
    graph = Graph()
    rows, _ = rows_of(graph, **APART[name](graph))
    assert rows[0] == 2 and 3 not in rows  # both banks together, before the sampler's call


def test_guidance_that_is_off_is_no_guidance():
    assert rows_of(Graph(), negative=other_text(8), cfg=1.0)[0] == [3] * STEPS


@pytest.mark.parametrize(("free", "expected"), [(1.2, [2, 1]), (0.8, [1, 1, 1])], ids=["short", "very short"])
def test_where_memory_is_short_the_features_are_computed_apart(monkeypatch, free, expected):
    graph = Graph()
    captures = graph.captured("recompute")
    rows, together = rows_of(graph, captures=captures)
    assert rows == [3] * STEPS
    needed = graph.model.model.memory_required([3, 4, 16, 16])
    monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda *_, **__: free * needed)
    rows, apart = rows_of(graph, captures=captures)
    assert rows == expected * STEPS
    assert nodes.relative_error(together, apart) < 1e-4


def test_no_features_are_left_behind_and_the_model_stays_as_it_was():
    graph = Graph()
    start, style_kv, query, sigmas = graph.captured("recompute")
    before = nodes.sample(graph.model, graph.conditioning, start, None, query)
    rows_of(graph, captures=(start, style_kv, query, sigmas))
    assert not style_kv.bank.blocks and not query.bank.blocks
    assert torch.equal(nodes.sample(graph.model, graph.conditioning, start, None, query), before)
