"""ComfyUI is told what the features weigh: its cache in RAM, and its loader on the device."""

from __future__ import annotations

import copy
import dataclasses

import comfy.model_management
import pytest
import run_nodes as nodes
import torch
from cellstyle.engine import invert
from cellstyle.features.storage_choice import Storage
from cellstyle.nodes.blend_styles import CellStyleBlend
from comfy_server import ComfyServer
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from comfyui_version import __version__
from places import TEST_NODES
from test_server import GRAPH, changed


def weight(value) -> int:
    """Bytes, as ComfyUI's RAM cache counts them: tensors on the CPU, in lists and tuples."""
    if isinstance(value, list | tuple):
        return sum(map(weight, value))
    return value.numel() * value.element_size() if torch.is_tensor(value) and value.device.type == "cpu" else 0


@pytest.mark.parametrize("storage", ["ram", "recompute"])
def test_wire_values_weigh_what_they_keep(storage):
    model, conditioning = tiny_model(), tiny_conditioning()
    _, query, _ = nodes.invert(model, conditioning, nodes.latent(1, 4, 16, 16), storage=storage)
    style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 16, 16, seed=2), storage=storage)
    mixed = CellStyleBlend.execute({"style_1": style_kv, "style_2": style_kv}, "", "replace", 0.0).result[0]
    for value in (query, style_kv):
        text = sum(cross.numel() * 4 for cross, _ in value.bank.conditioning)
        rest = (len(value.bank.levels) + 1) * 4 * 16 * 16 * 4 + text  # the latents seen, and the clean one
        assert weight(value) == rest + (value.bank.nbytes() if storage == "ram" else 0)
    assert weight(mixed) == 2 * weight(style_kv)


def test_a_wire_value_is_copied_compared_and_replaced_as_any_other():
    style_kv, _ = nodes.capture(tiny_model(), tiny_conditioning(), nodes.latent(1, 4, 8, 8), steps=2)
    masked = dataclasses.replace(style_kv, mask=torch.ones(1, 8, 8))
    assert masked.bank is style_kv.bank and weight(masked) == weight(style_kv) + 8 * 8 * 4
    assert style_kv == style_kv and style_kv != masked and style_kv and len({style_kv, masked}) == 2
    assert copy.copy(masked).mask is masked.mask
    deep = copy.deepcopy(masked)
    assert deep.bank is not style_kv.bank and weight(deep) == weight(masked)
    assert deep.bank.levels == style_kv.bank.levels


@pytest.mark.skipif(
    tuple(map(int, __version__.split(".")[:2])) < (0, 30), reason="the default cache judges by RAM since ComfyUI 0.30"
)
def test_a_server_that_is_short_of_memory_gives_up_features_before_a_small_image():
    image = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 9}}
    graph = {
        **GRAPH,
        "image": image,
        "shown": {"class_type": "PreviewImage", "inputs": {"images": ["image", 0]}},
    }
    other = {
        "other": {"class_type": "EmptyImage", "inputs": {**image["inputs"], "color": 3}},
        "shown": {"class_type": "PreviewImage", "inputs": {"images": ["other", 0]}},
    }
    with ComfyServer(extra_custom_nodes=[TEST_NODES], cpu=True, env={"OMP_NUM_THREADS": "2"}) as server:
        graph = changed(graph, invert__storage="ram", capture__storage="ram")
        server.client.run(graph)
        # models go first, whatever they weigh: the loader's and the counter's. The third is judged by its tensors
        server.client.request("/cellstyle_test/short_of_memory?evictions=3", {})
        server.client.run(other)
        kept = set(server.client.run(graph).cached)
    assert "image" in kept, "a 49 kB image was given up before features of megabytes"
    assert len({"invert", "capture"} - kept) == 1


def test_the_loader_is_told_of_features_on_the_device(monkeypatch):
    told = []
    load = comfy.model_management.load_models_gpu

    def listen(models, *args, minimum_memory_required=None, **kwargs):
        told.append(minimum_memory_required)
        return load(models, *args, minimum_memory_required=minimum_memory_required, **kwargs)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", listen)
    model, conditioning, content = tiny_model(), tiny_conditioning(), nodes.latent(1, 4, 16, 16)
    _, query, _ = nodes.invert(model, conditioning, content, storage="ram")
    kept = query.bank.nbytes()
    monkeypatch.setattr(invert, "choose_storage", lambda *a: Storage("device", torch.device("cpu"), False, kept))
    on_device = nodes.invert(model, conditioning, content)[1]
    assert on_device.bank.nbytes() == kept
    in_ram, announced = told
    assert kept <= announced - in_ram < kept + 2 * model.model.memory_required([1, 4, 16, 16])


@pytest.mark.parametrize("storage", ["ram", "recompute"])
def test_the_loader_is_told_of_what_sampling_brings_to_the_device(monkeypatch, storage):
    model, conditioning = tiny_model(), tiny_conditioning()
    inverted, query, _ = nodes.invert(model, conditioning, nodes.latent(1, 4, 16, 16), steps=3, storage=storage)
    style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 16, 16, seed=2), steps=3, storage=storage)
    told, load = [], comfy.model_management.load_models_gpu

    def listen(models, *args, minimum_memory_required=None, **kwargs):
        told.append(minimum_memory_required)
        return load(models, *args, minimum_memory_required=minimum_memory_required, **kwargs)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", listen)
    elsewhere = model.clone()
    elsewhere.load_device = torch.device("cpu", 0)  # another device than the features', as far as names go
    nodes.sample(model, conditioning, inverted, None, query)
    nodes.sample(elsewhere, conditioning, inverted, style_kv, query)
    level = nodes.invert(model, conditioning, nodes.latent(1, 4, 16, 16), steps=1, storage="ram")[1].bank.nbytes()
    expected = 2 * level * (2 if storage == "ram" else 1)  # content and style; two levels of each, or one
    assert expected <= told[1] - told[0] < expected + 2 * model.model.memory_required([1, 4, 16, 16])
