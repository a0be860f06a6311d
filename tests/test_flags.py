"""ComfyUI's memory and cache options: the same prompts give the same bits under each.

The graph results depend on no option, so every server is compared with the one that has none.
"""

from __future__ import annotations

import comfy.model_patcher
import pytest
import run_nodes as nodes
import torch
from comfy_server import ComfyServer
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from host_layout import find
from places import TEST_NODES
from reference_prompts import references
from server_run import has_accelerator

OPTIONS = [
    ["--disable-smart-memory"],
    ["--cache-none"],
    ["--cache-lru", "2"],
    ["--cache-classic"],
    ["--cache-ram", "1"],
    ["--disable-smart-memory", "--cache-none"],
]
# these and --cpu shut each other out
ACCELERATOR_OPTIONS = [["--lowvram"], ["--novram"], ["--novram", "--disable-smart-memory"], ["--gpu-only"]]


def start(options: list[str], cpu: bool | None = True) -> ComfyServer:
    return ComfyServer(extra_custom_nodes=[TEST_NODES], cpu=cpu, args=options, env={"OMP_NUM_THREADS": "2"})


@pytest.fixture(scope="module")
def plain(server) -> dict[str, str]:
    return references(server)


@pytest.mark.long(section="flags")
@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_an_option_changes_no_bit(plain, options):
    with start(options) as server:
        assert references(server) == plain


@pytest.mark.long(section="flags")
@pytest.mark.parametrize("options", ACCELERATOR_OPTIONS, ids=" ".join)
def test_an_option_for_accelerators_changes_no_bit(options):
    if not has_accelerator(find()):
        pytest.skip("needs an accelerator: ComfyUI has no such option on the CPU")
    with start([], cpu=False) as server:
        expected = references(server)
    with start(options, cpu=False) as server:
        assert references(server) == expected


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_weights_that_stay_outside_the_device_change_no_bit(monkeypatch, share):
    # What --lowvram and --novram do to a model, on any device: only a share of the weights moves to it for good, the
    # others are brought for each layer's turn.
    conditioning = tiny_conditioning()
    content, style = nodes.latent(1, 4, 8, 8, seed=1), nodes.latent(1, 4, 8, 8, seed=2)
    expected = nodes.transfer(tiny_model(), conditioning, content, style, 2)
    load = comfy.model_patcher.ModelPatcher.load

    def little(self, device_to=None, lowvram_model_memory=0, **kwargs):
        return load(
            self, device_to, lowvram_model_memory=int(share * self.model_size()) + 1, **{**kwargs, "full_load": False}
        )

    monkeypatch.setattr(comfy.model_patcher.ModelPatcher, "load", little)
    model = tiny_model()
    assert torch.equal(nodes.transfer(model, conditioning, content, style, 2), expected)
    brought = [m.comfy_cast_weights for m in model.model.modules() if hasattr(m, "comfy_cast_weights")]
    assert all(brought) if share == 0 else 0 < sum(brought) < len(brought)
