"""Where a ControlNet belongs in the method, as the workflow sd15_lora_controlnet has it: inversion and sampling."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from comfy_test_nodes.tiny_controlnet import tiny_controlnet
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from workflow_files import nodes_of, read_api

from nodes import ControlNetApplyAdvanced

STEPS = {"steps": 20, "refinement": 4}


@pytest.fixture(scope="module")
def scene():
    """A model, its prompt without and with edges, and a content."""
    with torch.inference_mode():
        plain = tiny_conditioning("sd15")
        hint = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(7))
        with_edges, _ = ControlNetApplyAdvanced().apply_controlnet(plain, plain, tiny_controlnet(), hint, 0.5, 0, 1)
        return tiny_model("sd15"), {"plain": plain, "edges": with_edges}, nodes.latent(1, 4, 16, 16, seed=1)


def test_noise_found_with_edges_gives_the_content_back_only_with_edges(scene):
    model, prompts, content = scene
    lost = {}
    for inverted in prompts:
        noise, _, sigmas = nodes.invert(model, prompts[inverted], content, **STEPS)
        for sampled in prompts:
            back = nodes.sample(model, prompts[sampled], noise, sigmas=sigmas)
            lost[inverted, sampled] = nodes.relative_error(back, content["samples"])
    assert max(lost["edges", "edges"], lost["plain", "plain"]) < 0.1  # what the steps lose
    assert min(lost["edges", "plain"], lost["plain", "edges"]) > 0.5


def test_the_workflow_has_it_there():
    graph = read_api("sd15_lora_controlnet (download)")
    (control,), (prompt,) = nodes_of(graph, "ControlNetApplyAdvanced"), nodes_of(graph, "CLIPTextEncode")
    (lora,) = nodes_of(graph, "LoraLoader")
    for kind, source in (("DDIMInvert", control), ("InjectedSampler", control), ("StyleKVCapture", prompt)):
        (node,) = nodes_of(graph, kind)
        assert graph[node]["inputs"]["conditioning"] == [source, 0]
        assert graph[node]["inputs"]["model"] == [lora, 0]
    assert graph[control]["inputs"]["positive"] == [prompt, 0]
