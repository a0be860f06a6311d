"""Where features wait changes memory and time, never the picture."""

from __future__ import annotations

import gc
import logging

import comfy.model_management
import comfy.samplers
import pytest
import run_nodes as nodes
import torch
from cellstyle.features.bank_writer import BankWriter
from cellstyle.features.storage_choice import Storage, choose_storage, to_fp8
from cellstyle.nodes.apply_style import CellStyleApply
from cellstyle.nodes.blend_styles import CellStyleBlend
from cellstyle.nodes.ddim_invert import DDIMInvert
from cellstyle.nodes.style_kv_capture import StyleKVCapture
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


class Graph:
    """One transfer with every capture stored in one way."""

    def __init__(self, content=(1, 4, 16, 16), style=(1, 4, 16, 16), **kind):
        self.model, self.conditioning = tiny_model(**kind), tiny_conditioning(**kind)
        self.content, self.style = nodes.latent(*content, seed=1), nodes.latent(*style, seed=2)

    def captured(self, storage, precision="full"):
        shared = dict(
            model=self.model,
            conditioning=self.conditioning,
            steps=4,
            refinement=0,
            layers="auto",
            storage=storage,
            feature_precision=precision,
        )
        inverted, query, sigmas = DDIMInvert.execute(latent=self.content, **shared).result
        style_kv, noise = StyleKVCapture.execute(latent=self.style, **shared).result
        return nodes.adain(inverted, noise), style_kv, query, sigmas

    def run(self, storage, precision="full", **dials):
        start, style_kv, query, _ = self.captured(storage, precision)
        return nodes.sample(self.model, self.conditioning, start, style_kv, query, **dials)


class Calls:
    """Rows of every network call of a model, counted by a wrapper of its own."""

    def __init__(self, model):
        self.rows, self.model = [], model.clone()
        self.model.set_model_unet_function_wrapper(self)

    def __call__(self, apply_model, args):
        self.rows.append(len(args["input"]))
        return apply_model(args["input"], args["timestep"], **args["c"])


@pytest.mark.parametrize("storage", ["auto", "device"])
def test_stored_features_give_the_same_picture_bit_for_bit(storage):
    graph = Graph()
    assert torch.equal(graph.run(storage), graph.run("ram"))


@pytest.mark.parametrize(
    "shapes",
    [{}, {"style": (1, 4, 24, 16)}, {"content": (2, 4, 16, 16)}, {"content": (2, 4, 9, 15), "style": (2, 4, 16, 16)}],
    ids=["one size", "two sizes", "two contents", "two pairs, odd"],
)
def test_recomputed_features_give_the_same_picture(shapes):
    graph = Graph(**shapes)
    assert nodes.relative_error(graph.run("recompute"), graph.run("ram")) < 1e-4


@pytest.mark.parametrize(
    "dials",
    [{"gamma": 0.0}, {"start_percent": 0.3, "end_percent": 0.8}, {"gamma_curve": "cosine", "gamma_end": 0.1}],
    ids=str,
)
def test_recomputing_obeys_the_dials(dials):
    graph = Graph()
    stored = graph.run("ram", **dials)
    assert nodes.relative_error(graph.run("recompute", **dials), stored) < 1e-4
    assert nodes.relative_error(stored, graph.run("ram")) > 1e-3


def test_recomputing_on_sdxl_takes_the_pooled_prompt_along():
    graph = Graph(kind="sdxl")
    assert nodes.relative_error(graph.run("recompute"), graph.run("ram")) < 1e-4


def test_banks_that_fit_share_a_pass_and_nothing_is_computed_that_is_not_needed():
    same, different = Graph(), Graph(style=(1, 4, 24, 16))
    for graph, expected in ((same, [2, 1]), (different, [1, 1, 1])):
        start, style_kv, query, _ = graph.captured("recompute")
        calls = Calls(graph.model)
        nodes.sample(calls.model, graph.conditioning, start, style_kv, query)
        assert calls.rows == expected * 4
        calls.rows.clear()
        nodes.sample(calls.model, graph.conditioning, start, style_kv, gamma=0.0)
        assert calls.rows == [1, 1] * 4
        calls.rows.clear()
        nodes.sample(calls.model, graph.conditioning, start, style_kv, gamma=0.0, end_percent=0.0)
        assert calls.rows == [1] * 4


def test_recomputing_keeps_only_latents():
    _, style_kv, query, _ = Graph().captured("recompute")
    for bank in (style_kv.bank, query.bank):
        assert not bank.blocks and bank.nbytes() == 4 * 4 * 16 * 16 * 4
        assert set(bank.grids) == set(bank.layers)


@pytest.mark.parametrize("precision", ["full", "fp8"])
def test_a_layers_levels_share_one_block_that_holds_no_more_than_them(precision):
    _, style_kv, _, _ = Graph().captured("ram", precision)
    bank = style_kv.bank
    for layer in bank.layers:
        levels = [bank.level(i).tensors[layer] for i in range(4)]
        assert len({n.untyped_storage().data_ptr() for n in levels}) == 1
        assert levels[0].untyped_storage().nbytes() == sum(n.nbytes for n in levels)
        assert len({n.data_ptr() for n in levels}) == 4 and all(n.is_contiguous() for n in levels)


def test_a_size_that_changes_between_levels_is_refused_in_words():
    bank = nodes.invert(tiny_model(), tiny_conditioning(), nodes.latent(1, 4, 16, 16), steps=2)[1].bank
    writer = BankWriter("DDIMInvert", bank, Storage("ram", CPU, False, 0), CPU)
    writer.recorder(0).record_residual(("output", 4), torch.rand(1, 3, 2, 2))
    with pytest.raises(ValueError, match=r"changes the size of output\.4 from step to step"):
        writer._copy(1, ("output", 4), torch.rand(1, 3, 4, 4))


def test_recomputing_composes_with_cfg_a_mixture_and_any_sampler():
    graph = Graph()
    negative = [[t * -1 if torch.is_tensor(t) else t for t in entry] for entry in graph.conditioning]
    noise = {}
    for storage in ("ram", "recompute"):
        start, style_kv, query, sigmas = graph.captured(storage)
        mask = torch.zeros(1, 16, 16)
        mask[..., :8] = 1
        mixed = CellStyleBlend.execute({"style_1": style_kv}, "", "replace", 0.0, {"mask_1": mask}, {}).result[0]
        patched = CellStyleApply.execute(graph.model, mixed, query, **nodes.DIALS).result[0]
        noise[storage] = comfy.samplers.sample(
            patched,
            torch.zeros_like(start["samples"]),
            graph.conditioning,
            negative,
            3.0,
            patched.load_device,
            comfy.samplers.sampler_object("heun"),
            sigmas,
            patched.model_options,
            latent_image=start["samples"],
            seed=0,
        )
    assert nodes.relative_error(noise["recompute"], noise["ram"]) < 1e-4


def test_fp8_halves_the_memory_of_fp16_and_the_log_says_the_error(caplog):
    graph = Graph()
    full = graph.run("ram")
    with caplog.at_level(logging.INFO):
        start, style_kv, query, _ = graph.captured("ram", "fp8")
    assert all(block.dtype == torch.float8_e4m3fn for block in style_kv.bank.blocks.values())
    said = [r.getMessage() for r in caplog.records if "fp8 rounds the features by" in r.getMessage()]
    assert len(said) == 2 and all(1.0 < float(line.split("by ")[1].split(" %")[0]) < 5.0 for line in said)
    rounded = nodes.sample(graph.model, graph.conditioning, start, style_kv, query)
    assert 1e-5 < nodes.relative_error(rounded, full) < 3e-2


def test_fp8_saturates_instead_of_making_nan():
    n = torch.tensor([1e6, -1e6, 0.1])
    assert torch.allclose(to_fp8(n).float(), torch.tensor([448.0, -448.0, 0.1]), rtol=0.07)


@pytest.mark.parametrize(
    ("storage", "free_device", "free_ram", "place"),
    [
        ("auto", 8e9, 32e9, "device"),
        ("auto", 2e9, 32e9, "ram"),
        ("auto", 2e9, 1e9, "recompute"),
        ("device", 1e9, 1e9, "device"),
        ("ram", 80e9, 1e9, "ram"),
        ("recompute", 80e9, 80e9, "recompute"),
    ],
)
def test_auto_looks_at_what_is_free(monkeypatch, storage, free_device, free_ram, place):
    free = {GPU: free_device, CPU: free_ram}
    monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda device: free[device])
    chosen = choose_storage(storage, "full", int(590e6), int(3.3e6), GPU)
    assert chosen.place == place
    assert chosen.expected == (3.3e6 if place == "recompute" else 590e6)


def test_what_belongs_to_one_run_is_stored_or_refused(monkeypatch):
    monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda device: 1e6)
    assert choose_storage("auto", "full", 10**9, 10**6, CPU, repeatable=False).place == "ram"
    graph = Graph()
    graph.conditioning = [[graph.conditioning[0][0], {**graph.conditioning[0][1], "control": object()}]]
    with pytest.raises(ValueError, match="storage is recompute, but the conditioning carries a ControlNet"):
        graph.captured("recompute")


def test_twenty_runs_leave_no_tensor_behind():
    graph = Graph()

    def alive() -> int:
        gc.collect()
        return sum(1 for thing in gc.get_objects() if type(thing) is torch.Tensor)

    counts = []
    for run in range(20):
        graph.run(("ram", "recompute")[run % 2])
        counts.append(alive())
    assert counts[-1] <= counts[3]
