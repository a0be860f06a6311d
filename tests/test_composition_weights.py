"""The injection beside nodes that change the weights or guide the prediction: each acts, neither leaves a trace."""

from __future__ import annotations

import comfy.sd
import pytest
import run_nodes as nodes
import torch
from comfy_extras.nodes_freelunch import FreeU_V2
from comfy_extras.nodes_model_merging import ModelMergeSimple
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_sag import SelfAttentionGuidance
from comfy_test_nodes.tiny_controlnet import tiny_controlnet
from comfy_test_nodes.tiny_models import tiny_model
from composition import LEAN, PRESENT, STEPS, Scene, check_both_are_there, check_conditioning, outputs
from composition_lora import lora

from nodes import ControlNetApplyAdvanced


@pytest.fixture(scope="module")
def scene():
    with torch.inference_mode():
        return Scene()


@pytest.mark.parametrize("projection", ["to_q", "to_k", "to_v"])
def test_lora(scene, projection):
    check_both_are_there(
        scene, lambda model: comfy.sd.load_lora_for_models(model, None, lora((projection,)), 1.0, 0)[0]
    )


def test_model_merge(scene):
    other = tiny_model(seed=5, **LEAN)
    merged = outputs(ModelMergeSimple().merge(scene.model, other, 0.5))[0]  # takes seconds
    check_both_are_there(scene, lambda model: merged, swap=False)


GUIDANCE = {
    "FreeU_V2": lambda model: FreeU_V2.execute(model, 1.3, 1.4, 0.9, 0.2),
    "PerturbedAttentionGuidance": lambda model: PerturbedAttentionGuidance.execute(model, 3.0),
    "SelfAttentionGuidance": lambda model: SelfAttentionGuidance.execute(model, 0.5, 2.0),
}


@pytest.mark.parametrize("name", GUIDANCE)
@pytest.mark.parametrize("cfg", [1.0, 7.0])
def test_guidance(scene, name, cfg):
    check_both_are_there(scene, lambda model: outputs(GUIDANCE[name](model))[0], negative=scene.negative, cfg=cfg)


class TestGuidanceInThePacksOwnPasses:
    @pytest.mark.parametrize("name", GUIDANCE)
    def test_inversion_capture_and_sampling_without_a_negative(self, scene, name):
        model = outputs(GUIDANCE[name](scene.model))[0]
        start, query, _ = nodes.invert(model, scene.conditioning, scene.content, STEPS)
        style_kv = nodes.capture(model, scene.conditioning, scene.style, STEPS)[0]
        result = nodes.sample(model, scene.conditioning, start, style_kv, query)
        injected = nodes.sample(scene.model, scene.conditioning, scene.start, scene.style_kv, scene.query)
        assert nodes.relative_error(result, injected) > PRESENT
        # a second run of the same model is not led by what the first has left in the guidance node
        assert torch.equal(nodes.sample(model, scene.conditioning, start, style_kv, query), result)

    @pytest.mark.parametrize("name", ["PerturbedAttentionGuidance", "SelfAttentionGuidance"])
    def test_injection_where_guidance_reads_the_attention_is_refused(self, name):
        scene = Scene(layers="middle, output.9")
        model = scene.inject(outputs(GUIDANCE[name](scene.model))[0])
        with pytest.raises(ValueError, match=rf"{name} works on the picture's own self-attention in middle\.0"):
            scene.sample(model, negative=scene.negative, cfg=3.0)
        scene.sample(scene.inject(outputs(GUIDANCE[name](scene.model))[0], layers="output.9"), cfg=3.0)


def control(scene: Scene, strength: float = 1.0) -> list:
    """The scene's conditioning with a small random ControlNet on a random hint (ControlNetApplyAdvanced)."""
    hint = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(7))
    return ControlNetApplyAdvanced().apply_controlnet(
        scene.conditioning, scene.conditioning, tiny_controlnet(), hint, strength, 0, 1
    )[0]


@pytest.mark.parametrize("cfg", [1.0, 7.0])
def test_controlnet(scene, cfg):
    check_conditioning(scene, control(scene), negative=scene.negative, cfg=cfg)


def test_controlnet_in_the_capture_is_not_recorded_itself(scene):
    # a ControlNet has blocks of the same names; with strength 0 its run changes nothing
    layers = "middle, output.9"
    plain = nodes.invert(scene.model, scene.conditioning, scene.content, STEPS, layers=layers)[1].bank
    beside = nodes.invert(scene.model, control(scene, 1e-9), scene.content, STEPS, layers=layers)[1].bank
    for layer, n in plain.level(STEPS - 1).tensors.items():
        assert nodes.relative_error(beside.blocks[layer][STEPS - 1], n) < 1e-5
