"""The nodes on a real ComfyUI server: network calls, its cache, its errors, progress, preview and interrupt."""

from __future__ import annotations

import copy
import json

import pytest
from comfy_client import ExecutionError, Interrupted, PromptRejected

STEPS = 4
INVERSION = {"steps": STEPS, "refinement": 0, "layers": "auto", "storage": "auto"}
GRAPH = {
    "model": {"class_type": "CellStyleTestTinyModel", "inputs": {"kind": "sd15", "seed": 0}},
    "count": {"class_type": "CellStyleTestCountCalls", "inputs": {"model": ["model", 0]}},
    "content": {
        "class_type": "CellStyleTestLatent",
        "inputs": {"content": "random", "batch": 1, "channels": 4, "height": 16, "width": 16, "seed": 1},
    },
    "style": {
        "class_type": "CellStyleTestLatent",
        "inputs": {"content": "random", "batch": 1, "channels": 4, "height": 16, "width": 12, "seed": 2},
    },
    "invert": {
        "class_type": "DDIMInvert",
        "inputs": {"model": ["count", 0], "conditioning": ["model", 1], "latent": ["content", 0], **INVERSION},
    },
    "capture": {
        "class_type": "StyleKVCapture",
        "inputs": {"model": ["count", 0], "conditioning": ["model", 1], "latent": ["style", 0], **INVERSION},
    },
    "adain": {
        "class_type": "LatentAdaIN",
        "inputs": {
            "content": ["invert", 0],
            "style": ["capture", 1],
            "strength": 1.0,
            "mode": "global",
            "patch_size": 16,
        },
    },
    "sample": {
        "class_type": "InjectedSampler",
        "inputs": {
            "model": ["count", 0],
            "conditioning": ["model", 1],
            "latent": ["adain", 0],
            "style_kv": ["capture", 0],
            "content_query": ["invert", 1],
            "gamma": 0.75,
            "tau": 1.5,
            "gamma_curve": "constant",
            "gamma_end": 0.75,
            "layers": "auto",
            "start_percent": 0.0,
            "end_percent": 1.0,
        },
    },
    "digest": {"class_type": "CellStyleTestDigest", "inputs": {"latent": ["sample", 0]}},
}
PLAIN = {
    "model": GRAPH["model"],
    "empty": {
        "class_type": "CellStyleTestLatent",
        "inputs": {"content": "zeros", "batch": 1, "channels": 4, "height": 16, "width": 16, "seed": 0},
    },
    "sample": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["model", 0],
            "positive": ["model", 1],
            "negative": ["model", 1],
            "latent_image": ["empty", 0],
            "seed": 5,
            "steps": 4,
            "cfg": 2.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    },
    "digest": {"class_type": "CellStyleTestDigest", "inputs": {"latent": ["sample", 0]}},
}


def changed(graph: dict, **inputs) -> dict:
    """A copy with inputs set: `sample__gamma=0.3`."""
    graph = copy.deepcopy(graph)
    for path, value in inputs.items():
        node, name = path.split("__")
        graph[node]["inputs"][name] = value
    return graph


def without_output_cache(graph: dict, number: int) -> dict:
    """A copy whose nodes the server has not seen: the cache does not answer for them."""
    return changed(graph, content__seed=1000 + number, style__seed=2000 + number)


def digest(result) -> str:
    return result.outputs["digest"]["text"][0]


def calls(client) -> int:
    return json.loads(client.request("/cellstyle_test/calls"))["count"]


def test_network_calls_are_3n_then_2n_then_n(client):
    graph = without_output_cache(GRAPH, 1)
    spent = []
    for step in (
        graph,
        changed(graph, content__seed=77),  # a new content, the same style
        changed(graph, content__seed=77, sample__gamma=0.3),
        changed(graph, content__seed=77, sample__gamma=0.3, sample__tau=1.0),
        changed(graph, content__seed=77, sample__gamma=0.3, sample__tau=1.0, adain__strength=0.5),
    ):
        before = calls(client)
        client.run(step)
        spent.append(calls(client) - before)
    assert spent == [3 * STEPS, 2 * STEPS, STEPS, STEPS, STEPS]


def test_refinement_costs_its_repeats(client):
    graph = changed(without_output_cache(GRAPH, 2), invert__refinement=1)
    before = calls(client)
    client.run(graph)
    assert calls(client) - before == 2 * STEPS + STEPS + STEPS


def test_a_plain_run_after_a_stylised_one_is_bit_identical_to_a_fresh_servers(server, client):
    from comfy_server import ComfyServer
    from places import TEST_NODES

    client.run(without_output_cache(GRAPH, 3))
    after = digest(client.run(PLAIN))
    with ComfyServer(extra_custom_nodes=[TEST_NODES], cpu=True, env={"OMP_NUM_THREADS": "2"}) as fresh:
        assert digest(fresh.client.run(PLAIN)) == after


def test_progress_preview_and_total_steps_are_those_of_a_sampler(client):
    progress, previews = {}, {}

    def watch(event):
        if event.kind == "progress":
            progress.setdefault(event.node, []).append((event.value, event.maximum))
        elif event.kind == "preview":
            previews[event.node] = event.image

    client.run(without_output_cache(GRAPH, 4), on_event=watch)
    for node in ("invert", "capture", "sample"):
        assert progress[node][-1] == (STEPS, STEPS)
        assert previews[node][:2] in (b"\xff\xd8", b"\x89P")


@pytest.mark.parametrize("node", ["invert", "capture", "sample"])
def test_interrupt_stops_at_the_next_step_and_the_server_goes_on(client, node):
    graph = without_output_cache(GRAPH, 5)
    graph = changed(graph, invert__steps=200, capture__steps=200) if node != "sample" else graph
    reached = []

    def stop_in(event):
        if event.kind == "progress" and event.node == node and not reached:
            reached.append(event.value)
            client.interrupt()

    if node == "capture":  # its branch alone, or the server may run the other first
        graph = {k: graph[k] for k in ("model", "count", "style", "capture")}
        graph["digest"] = {"class_type": "CellStyleTestDigest", "inputs": {"latent": ["capture", 1]}}
    elif node == "sample":
        graph = changed(graph, invert__steps=60, capture__steps=60)
    with pytest.raises(Interrupted):
        client.run(graph, on_event=stop_in)
    assert reached
    reference = digest(client.run(without_output_cache(GRAPH, 6)))
    client.free()
    assert digest(client.run(without_output_cache(GRAPH, 6))) == reference


BAD = {
    "steps of 0": (changed(GRAPH, invert__steps=0), PromptRejected, "steps"),
    "a curve that does not exist": (changed(GRAPH, sample__gamma_curve="zigzag"), PromptRejected, "gamma_curve"),
    "layers out of range": (
        changed(GRAPH, invert__layers="output.14"),
        ExecutionError,
        '"output.14" is not in this UNet; it has self-attention in output blocks 3-11',
    ),
    "an empty latent": (changed(GRAPH, content__content="zeros"), ExecutionError, "no picture to invert"),
    "a latent without images": (changed(GRAPH, content__batch=0), ExecutionError, "at least one image"),
    "NaN in a latent": (changed(GRAPH, style__content="nan"), ExecutionError, "NaN"),
    "another model's latent": (changed(GRAPH, content__channels=16), ExecutionError, "16 channels"),
    "a transformer model": (
        changed(GRAPH, model__kind="dit", content__channels=16, style__channels=16),
        ExecutionError,
        "WanModel",
    ),
    "batches that do not pair": (
        changed(GRAPH, content__batch=2, style__batch=3),
        ExecutionError,
        "2 contents and 3 styles",
    ),
    "features of another model family": (
        {
            **changed(GRAPH, capture__model=["other", 0], capture__conditioning=["other", 1]),
            "other": {"class_type": "CellStyleTestTinyModel", "inputs": {"kind": "sdxl", "seed": 0}},
        },
        ExecutionError,
        "another kind of model",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence_and_the_next_prompt_runs(client, name):
    graph, kind, message = BAD[name]
    with pytest.raises(kind) as error:
        client.run(graph)
    assert message in str(error.value)
    if kind is ExecutionError:
        assert error.value.exception_type == "ValueError"
    assert digest(client.run(PLAIN)) == digest(client.run(PLAIN))


def test_an_sdxl_graph_runs(client):
    client.run(changed(without_output_cache(GRAPH, 7), model__kind="sdxl"))
