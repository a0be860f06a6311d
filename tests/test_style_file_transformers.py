"""Styles of transformers as files: the trajectory, from which the model computes its features again."""

from __future__ import annotations

from pathlib import Path

import pytest
import run_nodes as nodes
import style_files as files
import torch
from cellstyle.nodes.load_style import bank_of, describe
from cellstyle.style_file.style import read_style
from comfy_test_nodes.tiny_transformers import KINDS, tiny_latent, tiny_text
from transformer_runs import HERE, model_of

GOLDEN = Path(__file__).parent / "golden" / "style_v2_transformer.safetensors"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    return files.style_folder_in(tmp_path, monkeypatch)


@pytest.mark.parametrize("kind", HERE)
def test_a_loaded_style_gives_the_captured_ones_picture(kind):
    extra = {"attention_mask": torch.ones(1, 12, dtype=torch.long)} if kind == "qwen" else {}
    model, text = model_of(kind), tiny_text(kind, **extra)
    inverted, query, _ = nodes.invert(model, text, tiny_latent(kind, 3), 2, layers=KINDS[kind].layers)
    style_kv, noise = nodes.capture(model, text, tiny_latent(kind, 4, (8, 5)), 2, layers=KINDS[kind].layers)
    name = files.save(style_kv, noise)
    loaded, its_noise, thumbnail, info = files.load(name, model)
    assert torch.equal(its_noise["samples"], noise["samples"]) and thumbnail.shape[-1] == 3
    assert loaded.bank.layers == style_kv.bank.layers and "compact" in info
    results = [nodes.sample(model, text, inverted, kv, query, gamma=0.5) for kv in (style_kv, loaded)]
    assert nodes.relative_error(*results) <= 1e-5
    for one, other in zip(loaded.bank.conditioning, text, strict=True):
        assert torch.equal(one[0], other[0]) and one[1].keys() == other[1].keys()
        assert all(
            torch.as_tensor(one[1][key]).dtype == torch.as_tensor(value).dtype for key, value in other[1].items()
        )


def test_features_are_for_unets_alone():
    style_kv, noise = nodes.capture(model_of("flux"), tiny_text("flux"), tiny_latent("flux"), 2, storage="ram")
    with pytest.raises(ValueError, match="Set format to compact"):
        files.save(style_kv, noise, form="full")


def test_another_kind_of_transformer_is_refused_and_named():
    style_kv, noise = nodes.capture(model_of("flux"), tiny_text("flux"), tiny_latent("flux"), 2)
    name = files.save(style_kv, noise)
    with pytest.raises(ValueError, match="another kind of model"):
        files.load(name, model_of("sd3"))
    with pytest.raises(ValueError, match="connect model"):
        files.load(name)


def test_todays_file_is_read_for_ever():
    """Written by format 2: the tiny Qwen-Image of the tests (seed 0), latent seed 7 of 3 x 4 tokens, 2 steps, a mask
    over the text. It is never written anew."""
    style = read_style(GOLDEN)
    assert style.record.shape == (1, 16, 1, 6, 8) and style.record.layers == (("double", 1, 0), ("double", 2, 0))
    assert style.record.levels == 2 and style.record.solver == "multistep"
    assert style.conditioning[0][1]["attention_mask"].tolist() == [[1] * 8 + [0] * 4]
    assert "double.1, double.2" in describe(GOLDEN.name, style.record, GOLDEN.stat().st_size)
    assert abs(float(style.clean.double().sum()) - 50.87023102180683) < 1e-3
    if "qwen" not in HERE:
        return
    text = tiny_text("qwen", attention_mask=torch.tensor([[1] * 8 + [0] * 4]))
    again, _ = nodes.capture(model_of("qwen"), text, tiny_latent("qwen", 7, (3, 4)), 2, solver="multistep")
    bank = bank_of(style)
    assert bank.family == again.bank.family
    for level, seen in bank.inputs.items():
        assert nodes.relative_error(seen, again.bank.inputs[level]) <= 1e-3
