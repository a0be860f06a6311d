"""What can be known before a run is said before it, by a real server, and the sentence comes first."""

from __future__ import annotations

import pytest
from cellstyle.node_parts.before_run import ABSENT
from cellstyle.nodes.injected_sampler import InjectedSampler
from comfy_client import PromptRejected
from test_server import GRAPH, changed


def without(graph: dict, node: str, *names: str) -> dict:
    inputs = {name: value for name, value in graph[node]["inputs"].items() if name not in names}
    return {**graph, node: {**graph[node], "inputs": inputs}}


def apply_graph(**dials) -> dict:
    """GRAPH with Cell Style Apply and a KSampler in place of the sampler."""
    taken = ("model", "style_kv", "gamma", "tau", "gamma_curve", "gamma_end", "layers", "start_percent", "end_percent")
    inputs = {name: GRAPH["sample"]["inputs"][name] for name in taken}
    sampler = {
        "class_type": "KSampler",
        "inputs": {
            "model": ["apply", 0],
            "positive": ["model", 1],
            "negative": ["model", 1],
            "latent_image": ["adain", 0],
            "seed": 0,
            "steps": 2,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    }
    return {
        **GRAPH,
        "apply": {"class_type": "CellStyleApply", "inputs": {**inputs, **dials}},
        "sample": sampler,
    }


def sweep_graph(**dials) -> dict:
    inputs = {**GRAPH["sample"]["inputs"], "vae": ["model", 2], "gammas": "0.0, 0.5", "taus": "1.0", **dials}
    inputs = {name: value for name, value in inputs.items() if name not in ("gamma", "tau", "content_query")}
    rest = {name: node for name, node in GRAPH.items() if name not in ("sample", "digest")}
    return {**rest, "sweep": {"class_type": "CellStyleSweep", "inputs": inputs}}


NO_QUERY = "gamma is 0.75, which keeps the content's queries, but content_query is not connected."
REFUSED = {
    "no content_query": (without(GRAPH, "sample", "content_query"), "sample", NO_QUERY),
    "no content_query, falling gamma": (
        without(changed(GRAPH, sample__gamma=0.0, sample__gamma_curve="cosine"), "sample", "content_query"),
        "sample",
        "gamma is 0, which keeps the content's queries",
    ),
    "no content_query at Apply": (apply_graph(), "apply", NO_QUERY),
    "no content_query at Sweep": (sweep_graph(), "sweep", "gamma is 0.5, which keeps"),
    "cfg without negative": (changed(GRAPH, sample__cfg=7.0), "sample", "cfg is 7, but negative is not connected."),
    "a value outside its range": (changed(GRAPH, sample__gamma=5.0), "sample", "gamma is 5; it goes from 0 to 1."),
    "an entry not in its list": (
        changed(GRAPH, sample__gamma_curve="steep"),
        "sample",
        "gamma_curve is 'steep'; choose one of constant, linear, cosine, sqrt.",
    ),
    "gammas that are no numbers": (sweep_graph(gammas="a few"), "sweep", "gammas"),
    "too many cells": (sweep_graph(gammas="0:1:0.01"), "sweep", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_said_before_anything_runs_and_the_sentence_comes_first(client, case):
    graph, node, words = REFUSED[case]
    with pytest.raises(PromptRejected) as refused:
        client.run(graph)
    (error,) = refused.value.details["node_errors"][node]["errors"]
    assert error["details"].startswith(words)


@pytest.mark.parametrize(
    "graph",
    [
        without(changed(GRAPH, sample__gamma=0.0), "sample", "content_query"),
        without(changed(GRAPH, sample__start_percent=1.0), "sample", "content_query"),
        without(GRAPH, "sample", "style_kv"),
        changed(GRAPH, sample__cfg=7.0, sample__negative=["model", 1]),
    ],
    ids=["gamma 0", "no injection", "bypassed style", "guidance with a negative"],
)
def test_what_needs_neither_runs(client, graph):
    assert client.run(graph).outputs["digest"]


def test_what_comes_by_a_wire_is_left_to_the_run():
    wired = {"gamma": None, "gamma_curve": "constant", "gamma_end": 0.5, "start_percent": 0.0, "end_percent": 1.0}
    assert InjectedSampler.validate_inputs(**wired, style_kv=None, content_query=ABSENT, cfg=None) is True


FILES = {
    "no saved style": ("CellStyleLoad", {"file": "no style saved yet"}, "no style is saved yet: run Save Style once"),
    "a style that is gone": ("CellStyleLoad", {"file": "gone.safetensors"}, "file 'gone.safetensors' is not in "),
    "no micrograph": ("CellStyleLoadMicrograph", {"file": ""}, "file names no file. Choose one"),
    "a micrograph that is gone": ("CellStyleLoadMicrograph", {"file": "gone.tif"}, "file 'gone.tif' is not in "),
    "an empty folder": ("CellStyleLoadFolder", {"folder": "gone"}, "folder 'gone' of ComfyUI's input folder holds no"),
    "a name longer than the disk takes": ("CellStyleLoadFolder", {"folder": "a" * 5000 + "/*.tif"}, "folder 'aaa"),
}


@pytest.mark.parametrize("case", FILES)
def test_what_cannot_be_loaded_is_said_as_what_to_do(client, case):
    kind, inputs, words = FILES[case]
    needed = client.object_info(kind)[kind]["input"]["required"]
    required = {name: part[1]["default"] for name, part in needed.items() if "default" in part[1]}
    graph = {
        "load": {"class_type": kind, "inputs": {**required, **inputs}},
        "show": {"class_type": "PreviewAny", "inputs": {"source": ["load", 2]}},
    }
    with pytest.raises(PromptRejected) as refused:
        client.run(graph)
    (error,) = refused.value.details["node_errors"]["load"]["errors"]
    assert error["details"].startswith(words)
