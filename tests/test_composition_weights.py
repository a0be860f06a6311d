"""The injection beside nodes that change the weights or guide the prediction: each acts, neither leaves a trace."""

from __future__ import annotations

import functools

import comfy.sd
import pytest
import torch
from comfy_extras.nodes_freelunch import FreeU_V2
from comfy_extras.nodes_model_merging import ModelMergeSimple
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_sag import SelfAttentionGuidance
from comfy_test_nodes.tiny_models import tiny_model
from composition import Scene, check_both_are_there, outputs


@pytest.fixture(scope="module")
def scene():
    with torch.inference_mode():
        return Scene()


def lora(projections=("to_q", "to_k", "to_v"), rank: int = 4) -> dict:
    """A LoRA file's tensors for the self-attention of all decoder layers that have one."""
    generator = torch.Generator().manual_seed(3)
    widths = {3: 128, 4: 128, 5: 128, 6: 64, 7: 64, 8: 64, 9: 32, 10: 32, 11: 32}
    tensors = {}
    for block, width in widths.items():
        for projection in projections:
            name = f"lora_unet_output_blocks_{block}_1_transformer_blocks_0_attn1_{projection}"
            tensors[f"{name}.lora_up.weight"] = torch.randn(width, rank, generator=generator) / rank**0.5
            tensors[f"{name}.lora_down.weight"] = torch.randn(rank, width, generator=generator) / width**0.5
            tensors[f"{name}.alpha"] = torch.tensor(float(rank))
    return tensors


@pytest.mark.parametrize("projection", ["to_q", "to_k", "to_v"])
def test_lora(scene, projection):
    check_both_are_there(
        scene, lambda model: comfy.sd.load_lora_for_models(model, None, lora((projection,)), 1.0, 0)[0]
    )


def test_model_merge(scene):
    other = tiny_model(seed=5)
    # a merge takes seconds, and is the same model each time
    check_both_are_there(scene, functools.cache(lambda model: outputs(ModelMergeSimple().merge(model, other, 0.5))[0]))


GUIDANCE = {
    "FreeU_V2": lambda model: FreeU_V2.execute(model, 1.3, 1.4, 0.9, 0.2),
    "PerturbedAttentionGuidance": lambda model: PerturbedAttentionGuidance.execute(model, 3.0),
    "SelfAttentionGuidance": lambda model: SelfAttentionGuidance.execute(model, 0.5, 2.0),
}


@pytest.mark.parametrize("name", GUIDANCE)
@pytest.mark.parametrize("cfg", [1.0, 7.0])
def test_guidance(scene, name, cfg):
    check_both_are_there(scene, lambda model: outputs(GUIDANCE[name](model))[0], negative=scene.negative, cfg=cfg)
