"""One prompt with everything on the model at once, on a real server."""

from __future__ import annotations

import pytest
from composition_lora import lora
from safetensors.torch import save_file
from test_server import GRAPH, PLAIN, changed

TEXT, NEGATIVE = ["model", 1], ["other", 1]
# SelfAttentionGuidance needs some tokens in the middle block, of an area and shrunk
BASE = changed(GRAPH, content__height=32, content__width=32, invert__steps=2, capture__steps=2)

# put on one after the other, each to the model that the one before gives
CHAIN = {
    "merge": ("ModelMergeSimple", {"model2": ["other", 0], "ratio": 0.5}),
    "lora": ("LoraLoaderModelOnly", {"lora_name": "composition.safetensors", "strength_model": 1.0}),
    "freeu": ("FreeU_V2", {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}),
    "pag": ("PerturbedAttentionGuidance", {"scale": 3.0}),
    "sag": ("SelfAttentionGuidance", {"scale": 0.5, "blur_sigma": 2.0}),
    # merges at the finest token grid, which leaves the next one to the tiles
    "merging": ("TomePatchModel", {"ratio": 0.5}),
    "tiles": ("HyperTile", {"tile_size": 32, "swap_size": 1, "max_depth": 1, "scale_depth": False}),
    "shrink": (
        "PatchModelAddDownscale",
        {
            "block_number": 3,
            "downscale_factor": 2.0,
            "start_percent": 0.0,
            "end_percent": 0.6,
            "downscale_after_skip": True,
            "downscale_method": "bicubic",
            "upscale_method": "bicubic",
        },
    ),
    "compile": ("TorchCompileModel", {"backend": "inductor"}),
}
CONDITIONING = {
    "other": {"class_type": "CellStyleTestTinyModel", "inputs": {"kind": "sd15", "seed": 5}},
    "control_net": {"class_type": "CellStyleTestControlNet", "inputs": {"seed": 11}},
    "hint": {"class_type": "EmptyImage", "inputs": {"width": 256, "height": 256, "batch_size": 1, "color": 0x4080C0}},
    "control": {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": {
            "positive": TEXT,
            "negative": NEGATIVE,
            "control_net": ["control_net", 0],
            "image": ["hint", 0],
            "strength": 1.0,
            "start_percent": 0.0,
            "end_percent": 1.0,
        },
    },
    "area": {
        "class_type": "ConditioningSetArea",
        "inputs": {"conditioning": NEGATIVE, "width": 192, "height": 192, "x": 16, "y": 32, "strength": 1.0},
    },
    "with_area": {
        "class_type": "ConditioningCombine",
        "inputs": {"conditioning_1": ["control", 0], "conditioning_2": ["area", 0]},
    },
    "text_with_area": {
        "class_type": "ConditioningCombine",
        "inputs": {"conditioning_1": TEXT, "conditioning_2": ["area", 0]},
    },
    "solid": {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 256, "height": 256}},
    "hole": {"class_type": "SolidMask", "inputs": {"value": 0.0, "width": 96, "height": 256}},
    "mask": {
        "class_type": "MaskComposite",
        "inputs": {"destination": ["solid", 0], "source": ["hole", 0], "x": 0, "y": 0, "operation": "multiply"},
    },
    "masked": {"class_type": "SetLatentNoiseMask", "inputs": {"samples": ["adain", 0], "mask": ["mask", 0]}},
}


def everything(without: str = "") -> dict:
    """The four nodes' graph; its sampler ("sample") takes a model and a conditioning with everything but one thing on
    them, a second one ("second") is plain, and so is a KSampler ("plain")."""
    graph = {**BASE, **CONDITIONING}
    model = ["count", 0]
    for name, (kind, inputs) in CHAIN.items():
        # without the injection it would really compile, for minutes
        if name != without and (name, without) != ("compile", "injection"):
            inputs = {**inputs, "model1" if name == "merge" else "model": model}
            graph[name], model = {"class_type": kind, "inputs": inputs}, [name, 0]
    changes = {"sample__model": model, "sample__conditioning": ["with_area", 0], "sample__latent": ["masked", 0]}
    changes |= {"sample__negative": ["control", 1], "sample__cfg": 7.0}
    changes |= {
        "control": {"sample__conditioning": ["text_with_area", 0], "sample__negative": NEGATIVE},
        "area": {"sample__conditioning": ["control", 0]},
        "mask": {"sample__latent": ["adain", 0]},
        "guidance": {"sample__cfg": 1.0},
        "injection": {"sample__style_kv": None},
    }.get(without, {})
    graph = {**changed(graph, **changes), "second": BASE["sample"]}
    graph["sample"]["inputs"] = {key: value for key, value in graph["sample"]["inputs"].items() if value is not None}
    for name, of in (("second_digest", "second"), ("plain_digest", "plain")):
        graph[name] = {"class_type": "CellStyleTestDigest", "inputs": {"latent": [of, 0]}}
    return {**graph, "empty": PLAIN["empty"], "plain": PLAIN["sample"]}


@pytest.fixture(scope="module")
def client(server):
    """The shared server's client, with a LoRA in the server's folder."""
    (server.models_dir / "loras").mkdir(exist_ok=True)
    save_file(lora(), server.models_dir / "loras" / "composition.safetensors")
    return server.client


def digests(client, graph: dict) -> dict[str, str]:
    outputs = client.run(graph).outputs
    return {node: output["text"][0] for node, output in outputs.items() if "text" in output}


def test_everything_at_once_leads_no_other_part_of_the_graph_astray(client):
    together = digests(client, everything())
    unstyled = digests(client, everything(without="injection"))
    assert together["digest"] != unstyled["digest"]
    alone, plain = digests(client, BASE)["digest"], digests(client, PLAIN)["digest"]
    for found in (together, unstyled):
        assert found["second_digest"] == alone
        assert found["plain_digest"] == plain


@pytest.mark.long(section="composition")
def test_every_part_acts(client):
    names = ["", *CHAIN, "control", "area", "mask", "guidance", "injection"]
    found = {name: digests(client, everything(name))["digest"] for name in names}
    client.free()
    assert digests(client, everything())["digest"] == found[""]
    assert found.pop("compile") == found[""]  # injected runs are not compiled
    assert [name for name in found if name and found[name] == found[""]] == []
    assert len(set(found.values())) == len(found)
