"""Layers are found in real UNets and chosen by readable names."""

from __future__ import annotations

import functools

import pytest
import torch
from cellstyle.attention_patch.architectures.choose import architecture_of
from cellstyle.features.feature_bank import predicted_bytes
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.model_sampling import ModelSamplingDiscreteFlow
from comfy_test_nodes.tiny_models import tiny_model


@functools.cache
def unet(kind="sd15"):
    return architecture_of(tiny_model(kind))


def available(kind="sd15"):
    return unet(kind).layers()


def numbers(text, kind="sd15"):
    return sorted({(layer.block, layer.number) for layer in unet(kind).select(text)})


def test_sd15_has_self_attention_where_sd15_has_it():
    found = {(layer.block, layer.number) for layer in available()}
    assert found == {
        *(("input", i) for i in (1, 2, 4, 5, 7, 8)),
        ("middle", 0),
        *(("output", i) for i in range(3, 12)),
    }
    scales = {layer.number: spec.scale for layer, spec in available().items() if layer.block == "output"}
    assert scales == {3: 4, 4: 4, 5: 4, 6: 2, 7: 2, 8: 2, 9: 1, 10: 1, 11: 1}


def test_auto_is_the_papers_layers_on_sd15_and_the_same_grids_on_sdxl():
    assert numbers("auto") == [("output", i) for i in range(6, 12)]
    assert numbers("auto", "sdxl") == [("output", i) for i in range(3, 6)]
    # SDXL: both transformers of a block
    assert len(unet("sdxl").select("auto")) == 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("output.7-9", [("output", 7), ("output", 8), ("output", 9)]),
        (" OUTPUT.11 , middle", [("middle", 0), ("output", 11)]),
        ("input.4;input.5", [("input", 4), ("input", 5)]),
        ("output", [("output", i) for i in range(3, 12)]),
        ("auto, output.6", [("output", i) for i in range(6, 12)]),
        ("output.2-3", [("output", 3)]),
    ],
)
def test_readable_names(text, expected):
    assert numbers(text) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "quoted", "valid"),
    [
        ("output.14", '"output.14"', "output blocks 3-11"),
        ("output.0-2", '"output.0-2"', "output blocks 3-11"),
        ("input.3", '"input.3"', "input blocks 1-2, 4-5, 7-8"),
        ("output.9-7", '"output.9-7"', "output blocks 3-11"),
        ("output.6-99", '"output.6-99"', "output blocks 3-11"),
        ("up.3", '"up.3"', "output.6-11"),
        ("output.6-", '"output.6-"', "output.6-11"),
        ("  ", "empty", "output.6-11"),
    ],
)
def test_a_wrong_name_is_quoted_beside_the_valid_range(text, quoted, valid):
    with pytest.raises(ValueError) as error:
        unet().select(text)
    assert quoted in str(error.value)
    assert valid in str(error.value)


def test_a_model_without_a_unet_is_refused_by_class_name():
    class SomeDiT(torch.nn.Module):
        pass

    model = tiny_model().clone()
    model.add_object_patch("diffusion_model", SomeDiT())
    with pytest.raises(ValueError, match="SomeDiT"):
        architecture_of(model)


def test_every_reason_against_a_unet_is_said_at_once():
    model = tiny_model().clone()
    for module in model.model.diffusion_model.modules():
        if isinstance(module, SpatialTransformer):
            to_q = module.transformer_blocks[0].attn1.to_q
            to_q.bias = torch.nn.Parameter(torch.zeros(to_q.out_features), requires_grad=False)
    model.add_object_patch("model_sampling", ModelSamplingDiscreteFlow())
    with pytest.raises(ValueError, match=r"projections have a bias.*does not predict noise or v"):
        architecture_of(model)


def test_the_size_of_sd15s_features_is_the_designs_figure():
    # 5.9 M values a step and image at 512x512, layers 6..11, widths 640 and 320
    from cellstyle.features.layer_key import LayerKey, SelfAttention

    sd15 = {LayerKey("output", i, 0): SelfAttention(640 if i < 9 else 320, 2 if i < 9 else 1) for i in range(6, 12)}
    values = predicted_bytes(sd15, tuple(sd15), (1, 4, 64, 64), 1, 1)
    assert values == 3 * 1024 * 640 + 3 * 4096 * 320 == 5_898_240
