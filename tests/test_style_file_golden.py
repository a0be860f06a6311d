"""Today's style files, kept: every later version reads them and gets the same style.

The two files were written by format 1 from one capture: the tiny SD 1.5 model of the tests (seed 0), a latent of
1 x 4 x 6 x 8 (seed 7), 2 steps, layers output.9-11. They are never written anew.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from cellstyle.engine.revisit import recompute_features
from cellstyle.features.storage_choice import Storage
from cellstyle.nodes.load_style import bank_of, describe
from cellstyle.style_file.style import read_style
from comfy_test_nodes.tiny_models import tiny_model

GOLDEN = Path(__file__).parent / "golden"
COMPACT, FULL = GOLDEN / "style_v1_compact.safetensors", GOLDEN / "style_v1_full.safetensors"


def digest(*tensors: torch.Tensor) -> str:
    return hashlib.sha256(b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors)).hexdigest()[:16]


@pytest.mark.parametrize("path", [COMPACT, FULL], ids=["compact", "full"])
def test_todays_files_are_read_for_ever(path):
    style = read_style(path)
    assert style.record.texts == {"title": "Ink wash 水墨", "author": "CellStyle", "licence": "CC0 1.0"}
    assert style.record.levels == 2 and style.record.shape == (1, 4, 6, 8)
    assert style.record.layers == (("output", 9, 0), ("output", 10, 0), ("output", 11, 0))
    assert style.record.solver == "ddim" and bank_of(style).solver == "ddim"  # older than the choice of a solver
    assert digest(style.clean, style.inverted) == "267fda96d18ee581"
    assert digest(*style.inputs.values(), style.conditioning[0][0]) == "0eb53272f6bcb575"
    assert style.picture.shape == (24, 32, 3) and abs(float(style.picture[..., 0].mean()) - 0.8) < 0.02
    assert "title: Ink wash 水墨" in describe(path.name, style.record, path.stat().st_size)


def test_todays_features_are_read_for_ever():
    style = read_style(FULL)
    by_level = (block[level] for level in range(style.record.levels) for block in style.blocks.values())
    assert digest(*by_level) == "a150269ff3a545bb"


def test_todays_trajectory_gives_todays_features():
    stored, bank = bank_of(read_style(FULL)), bank_of(read_style(COMPACT))
    recompute_features(tiny_model(), bank, Storage("ram", torch.device("cpu"), False, 0))
    assert set(stored.blocks) == set(bank.blocks) == set(bank.layers)
    for layer, block in stored.blocks.items():
        torch.testing.assert_close(bank.blocks[layer], block, rtol=1e-3, atol=1e-3)
