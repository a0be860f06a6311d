"""CellStyleTransfer on a real server: the one node is the graph, and its cache is the graph's."""

from __future__ import annotations

import copy
import json
from io import BytesIO

import numpy as np
import pytest
from comfy_client import ExecutionError
from PIL import Image

STEPS = 3


@pytest.fixture(scope="module")
def pictures(server) -> tuple[str, str]:
    """Two pictures in the server's input folder: a content 96 x 64, a style 64 x 80."""
    rng = np.random.default_rng(0)
    names = "transfer_content.png", "transfer_style.png"
    for name, shape in zip(names, ((8, 12, 3), (10, 8, 3)), strict=True):
        noise = Image.fromarray(rng.integers(0, 255, shape, np.uint8))
        noise.resize((shape[1] * 8, shape[0] * 8), Image.Resampling.BICUBIC).save(f"{server.input_dir}/{name}")
    return names


def graph_of(pictures, number: int, **dials) -> dict:
    """The node and what it needs; `number` is the model's seed, so that the cache does not know the graph."""
    return {
        "model": {"class_type": "CellStyleTestTinyModel", "inputs": {"kind": "sd15", "seed": number}},
        "count": {"class_type": "CellStyleTestCountCalls", "inputs": {"model": ["model", 0]}},
        "content": {"class_type": "LoadImage", "inputs": {"image": pictures[0]}},
        "style": {"class_type": "LoadImage", "inputs": {"image": pictures[1]}},
        "transfer": {
            "class_type": "CellStyleTransfer",
            "inputs": {
                "model": ["count", 0],
                "conditioning": ["model", 1],
                "vae": ["model", 2],
                "content": ["content", 0],
                "style": ["style", 0],
                "gamma": 0.75,
                "tau": 1.5,
                "steps": STEPS,
                "refinement": 0,
                **dials,
            },
        },
        "out": {"class_type": "PreviewImage", "inputs": {"images": ["transfer", 0]}},
    }


def the_real_nodes(graph: dict) -> dict:
    """The same prompt, wired by hand."""
    dials = graph["transfer"]["inputs"]
    shared = {"model": dials["model"], "conditioning": dials["conditioning"]}
    inversion = {"steps": dials["steps"], "refinement": dials["refinement"], "layers": "auto", "storage": "auto"}
    inversion |= {name: dials[name] for name in ("solver", "spacing") if name in dials}
    start = dials.get("start", "global")
    before = start == "before inversion"
    by_hand = {name: node for name, node in graph.items() if name != "transfer"}
    for name in ("content", "style"):
        pixels = {"pixels": dials[name], "vae": dials["vae"]}
        by_hand[f"encode_{name}"] = {"class_type": "VAEEncode", "inputs": pixels}
    return {
        **by_hand,
        "invert": {
            "class_type": "DDIMInvert",
            "inputs": {**shared, **inversion, "latent": ["adain" if before else "encode_content", 0]},
        },
        "capture": {"class_type": "StyleKVCapture", "inputs": {**shared, **inversion, "latent": ["encode_style", 0]}},
        "adain": {
            "class_type": "LatentAdaIN",
            "inputs": {
                "content": ["encode_content", 0] if before else ["invert", 0],
                "style": ["encode_style", 0] if before else ["capture", 1],
                "strength": 1.0,
                "mode": start,
                "patch_size": 16,
            },
        },
        "sample": {
            "class_type": "InjectedSampler",
            "inputs": {
                **shared,
                "latent": ["invert" if before else "adain", 0],
                "style_kv": ["capture", 0],
                "content_query": ["invert", 1],
                "gamma": dials["gamma"],
                "tau": dials["tau"],
                "gamma_curve": "constant",
                "gamma_end": 0.75,
                "layers": "auto",
                "start_percent": 0.0,
                "end_percent": 1.0,
            },
        },
        "transfer": {"class_type": "VAEDecode", "inputs": {"samples": ["sample", 0], "vae": dials["vae"]}},
    }


def changed(graph: dict, **dials) -> dict:
    graph = copy.deepcopy(graph)
    graph["transfer"]["inputs"].update(dials)
    return graph


def calls(client) -> int:
    return json.loads(client.request("/cellstyle_test/calls"))["count"]


def image(client, result) -> bytes:
    """The pixels of the one picture."""
    (saved,) = result.outputs["out"]["images"]
    with Image.open(BytesIO(client.fetch_image(saved))) as picture:
        return picture.convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("number", "dials"),
    [(101, {}), (106, {"solver": "multistep", "spacing": "linspace"}), (107, {"start": "before inversion"})],
)
def test_it_gives_what_the_wired_nodes_give(client, pictures, number, dials):
    graph = graph_of(pictures, number, **dials)
    assert image(client, client.run(graph)) == image(client, client.run(the_real_nodes(graph)))


def test_the_dials_sample_again_and_invert_nothing(client, pictures):
    graph = graph_of(pictures, 102)
    spent, seen = [], []
    for dials in ({}, {"gamma": 0.3}, {"gamma": 0.3, "tau": 1.0}, {"gamma": 0.3, "tau": 1.0}, {"steps": STEPS + 1}):
        before = calls(client)
        seen.append(image(client, client.run(changed(graph, **dials))))
        spent.append(calls(client) - before)
    assert spent == [3 * STEPS, STEPS, STEPS, 0, 3 * (STEPS + 1)]
    assert len(set(seen)) == 4


def test_adain_before_the_inversion_costs_no_call_more_and_inverts_the_content_for_each_style(client, pictures):
    graph = graph_of(pictures, 108, start="before inversion", solver="multistep", spacing="linspace", steps=11)
    spent = []
    for dials in ({}, {"gamma": 0.3}, {"style": ["content", 0]}):
        before = calls(client)
        client.run(changed(graph, **dials))
        spent.append(calls(client) - before)
    assert spent == [33, 11, 33]


def test_a_new_content_does_not_capture_the_style_again(client, pictures):
    graph = graph_of(pictures, 103)
    client.run(graph)
    before = calls(client)
    client.run(changed(graph, content=["style", 0]))
    assert calls(client) - before == 2 * STEPS


def test_two_contents_and_one_style_give_two_images(client, pictures):
    graph = graph_of(pictures, 104)
    graph["both"] = {"class_type": "RepeatImageBatch", "inputs": {"image": ["content", 0], "amount": 2}}
    result = client.run(changed(graph, content=["both", 0]))
    assert len(result.outputs["out"]["images"]) == 2


def test_what_an_inner_node_refuses_is_said_at_the_node(client, pictures):
    graph = graph_of(pictures, 105)
    graph["model"]["inputs"]["kind"] = "dit"
    with pytest.raises(ExecutionError, match=r"WanModel|channels") as error:
        client.run(graph)
    assert error.value.exception_type == "ValueError"
