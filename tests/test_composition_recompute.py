"""Features computed again while sampling are the stored ones, whatever else is on the model and in the conditioning."""

from __future__ import annotations

import comfy.sd
import pytest
import run_nodes as nodes
import torch
from comfy_extras.nodes_hypertile import HyperTile
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_torch_compile import TorchCompileModel
from composition import STEPS, Scene, outputs
from composition_lora import lora

from nodes import ConditioningCombine, ConditioningSetArea


@pytest.fixture(scope="module")
def scene():
    with torch.inference_mode():
        return Scene()


MODELS = {
    "LoRA": lambda model: comfy.sd.load_lora_for_models(model, None, lora(), 1.0, 0)[0],
    "HyperTile": lambda model: outputs(HyperTile.execute(model, 32, 1, 1, False))[0],
    "PerturbedAttentionGuidance": lambda model: outputs(PerturbedAttentionGuidance.execute(model, 3.0))[0],
    "TorchCompileModel": lambda model: outputs(TorchCompileModel.execute(model, "eager"))[0],
}


def by_storage(scene: Scene, model, **sampling) -> list[torch.Tensor]:
    """The scene's samples with one model for everything, from stored and from recomputed features."""
    results = []
    for storage in ("ram", "recompute"):
        query = nodes.invert(model, scene.conditioning, scene.content, STEPS, storage=storage)[1]
        style_kv = nodes.capture(model, scene.conditioning, scene.style, STEPS, storage=storage)[0]
        assert bool(query.bank.blocks) == bool(style_kv.bank.blocks) == (storage == "ram")
        scene.query = query
        results.append(scene.sample(scene.inject(model, style_kv), **sampling))
    return results


@pytest.mark.parametrize("name", MODELS)
def test_other_nodes_on_the_model(scene, name):
    stored, again = by_storage(scene, MODELS[name](scene.model))
    assert nodes.relative_error(again, stored) < 1e-4


@pytest.mark.parametrize("cfg", [1.0, 7.0])
def test_an_area(scene, cfg):
    area = ConditioningSetArea().append(scene.negative, 64, 80, 24, 40, 1.0)[0]
    for pair in ((scene.conditioning, area), (area, scene.conditioning)):
        positive = ConditioningCombine().combine(*pair)[0]
        stored, again = by_storage(scene, scene.model, positive=positive, negative=scene.negative, cfg=cfg)
        assert nodes.relative_error(again, stored) < 1e-4
