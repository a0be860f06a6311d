"""The injection beside TorchCompileModel, whose network does not look at a call's patches a second time."""

from __future__ import annotations

import logging

import pytest
import run_nodes as nodes
import torch
from comfy_extras.nodes_torch_compile import TorchCompileModel
from composition import STEPS, Scene, outputs


@pytest.fixture(scope="module")
def scene():
    with torch.inference_mode():
        return Scene()


@pytest.fixture(autouse=True)
def _forget_what_was_compiled():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def check_compiled(scene: Scene, backend: str, tolerance: float):
    """Injected and recorded runs are those of the uncompiled model, in every order; the others stay compiled."""
    compiled = outputs(TorchCompileModel.execute(scene.model, backend))[0]
    plain = scene.sample(scene.model)
    assert nodes.relative_error(scene.sample(compiled), plain) < tolerance
    faded = scene.sample(scene.inject(scene.model, gamma_curve="cosine", gamma_end=0.1))
    for model, expected in (
        (scene.inject(compiled), scene.stylised),
        (outputs(TorchCompileModel.execute(scene.inject(scene.model), backend))[0], scene.stylised),
        (scene.inject(compiled, gamma_curve="cosine", gamma_end=0.1), faded),
    ):
        assert torch.equal(scene.sample(model), expected)
    start, query, _ = nodes.invert(compiled, scene.conditioning, scene.content, STEPS)
    assert torch.equal(start["samples"], scene.start["samples"])
    for layer, n in scene.query.bank.level(0).tensors.items():
        assert torch.equal(query.bank.blocks[layer][0], n)
    assert nodes.relative_error(scene.sample(compiled), plain) < tolerance


def test_eager_backend(scene, caplog):
    # dynamo's part of the compilation, with its skipped guards, and no code generation
    with caplog.at_level(logging.WARNING):
        check_compiled(scene, "eager", 1e-6)
    assert "runs uncompiled" in caplog.text


@pytest.mark.long(section="composition")
def test_inductor(scene):
    # minutes of code generation
    check_compiled(scene, "inductor", 1e-3)
