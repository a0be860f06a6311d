"""No layer makes the host wait for the device: what must be known of a tensor's values is asked once a step.

On a GPU each such question costs the time in which the next kernels could have been queued. They are the same operators
on any device, so they are counted here on the CPU.
"""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.nodes.ddim_invert import DDIMInvert
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from comfy_test_nodes.tiny_transformers import available, tiny_latent, tiny_text, tiny_transformer
from torch.utils._python_dispatch import TorchDispatchMode

ASK = ("item", "_local_scalar_dense", "is_nonzero", "equal", "allclose", "nonzero", "masked_select", "_unique2")
ONE, NINE = "output.11", "output.3-11"


class Questions(TorchDispatchMode):
    """Counts the operators whose answer the host waits for."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket.__name__ in ASK
        return func(*args, **(kwargs or {}))


def count(work) -> int:
    with Questions() as questions:
        work()
    return questions.count


def invert(model, layers: str, steps: int, storage: str, **finer):
    return DDIMInvert.execute(
        model=model,
        conditioning=tiny_conditioning(),
        latent=nodes.latent(1, 4, 8, 8, seed=1),
        steps=steps,
        refinement=0,
        layers=layers,
        storage=storage,
        **finer,
    ).result


@pytest.fixture(scope="module")
def model():
    with torch.inference_mode():
        return tiny_model()


@pytest.mark.parametrize("storage", ["device", "ram", "recompute"])
@pytest.mark.parametrize("solver", ["ddim", "multistep"])
def test_capture_asks_no_more_for_nine_layers_than_for_one(model, storage, solver):
    one = count(lambda: invert(model, ONE, 3, storage, solver=solver))
    assert count(lambda: invert(model, NINE, 3, storage, solver=solver)) == one


def sampled(model, layers: str, steps: int, storage: str) -> int:
    inverted, query, _ = invert(model, layers, steps, storage)
    style_kv, _ = nodes.capture(model, tiny_conditioning(), nodes.latent(1, 4, 8, 12), steps, layers=layers)
    return count(lambda: nodes.sample(model, tiny_conditioning(), inverted, style_kv, query))


def plain(model, steps: int) -> int:
    inverted, query, _ = invert(model, ONE, steps, "device")
    return count(lambda: nodes.sample(model, tiny_conditioning(), inverted, None, query))


@pytest.mark.parametrize("storage", ["device", "ram", "recompute"])
def test_injection_asks_once_a_step_at_most_and_no_layer_does(model, storage):
    one, nine = sampled(model, ONE, 3, storage), sampled(model, NINE, 3, storage)
    assert one == nine
    a_step = (sampled(model, NINE, 6, storage) - nine) / 3 - (plain(model, 6) - plain(model, 3)) / 3
    assert a_step <= {"device": 1, "ram": 1, "recompute": 2}[storage]


@pytest.mark.skipif(not available("qwen"), reason="this ComfyUI does not have the class")
def test_no_layer_of_a_transformer_asks():
    """With a style of another size, for which the mask over the text has to be fitted."""
    seen = torch.tensor([[1] * 8 + [0] * 4])
    model, text = tiny_transformer("qwen"), tiny_text("qwen", attention_mask=seen)

    def asked(layers: str) -> int:
        inverted, query, _ = nodes.invert(model, text, tiny_latent("qwen", 1), 2, layers=layers, storage="ram")
        style_kv, _ = nodes.capture(model, text, tiny_latent("qwen", 2, (8, 5)), 2, layers=layers, storage="ram")
        return count(lambda: nodes.sample(model, text, inverted, style_kv, query))

    assert asked("double.0") == asked("double.0-2")


def test_a_question_in_a_layer_would_be_counted():
    assert count(lambda: float(torch.ones(1))) == 1
    assert count(lambda: bool(torch.ones(1) > 0)) == 1
    assert count(lambda: torch.ones(1) + 1) == 0
