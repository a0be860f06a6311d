"""fp16 and bf16 models run and stay close to fp32."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model


@pytest.mark.parametrize("kind", ["sd15", "sd2v", "sdxl"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_within_two_percent(kind, dtype):
    conditioning = tiny_conditioning(kind)
    content, style = nodes.latent(1, 4, 16, 16, seed=1), nodes.latent(1, 4, 16, 24, seed=2)
    # what a trained network predicts is bounded; a random one amplifies rounding over many steps
    full = nodes.transfer(tiny_model(kind, output_gain=0.1), conditioning, content, style, 4)
    half = nodes.transfer(tiny_model(kind, dtype=dtype, output_gain=0.1), conditioning, content, style, 4)
    assert torch.isfinite(half).all()
    assert nodes.relative_error(half, full) <= 2e-2


def test_features_are_kept_in_the_models_precision():
    model = tiny_model(dtype=torch.bfloat16)
    style_kv, _ = nodes.capture(model, tiny_conditioning(), nodes.latent(1, 4, 8, 8), steps=2)
    dtypes = {block.dtype for block in style_kv.bank.blocks.values()}
    assert dtypes == {torch.bfloat16}


def test_the_predicted_size_is_the_real_size():
    from cellstyle.attention_patch.architectures.choose import architecture_of

    for kind, dtype, size in (("sd15", torch.float32, (1, 4, 9, 13)), ("sdxl", torch.bfloat16, (2, 4, 16, 8))):
        model = tiny_model(kind, dtype=dtype)
        style_kv, _ = nodes.capture(model, tiny_conditioning(kind), nodes.latent(*size), steps=3)
        expected = architecture_of(model).predicted_bytes(style_kv.bank.layers, size, 3, dtype.itemsize, "style")
        assert style_kv.bank.nbytes() == expected
