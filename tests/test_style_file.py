"""Style files: what is saved comes back, and nothing that is no style gets in."""

from __future__ import annotations

import folder_paths
import pytest
import torch
from cellstyle.nodes.load_style import CellStyleLoad
from cellstyle.nodes.save_style import CellStyleSave
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from run_nodes import capture, latent


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """ComfyUI's folder of styles, empty."""
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "cellstyle", ([str(tmp_path)], set()))
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path.parent / "models"))
    return tmp_path


def save(style_kv, inverted, name="style", form="compact", precision="fp32", overwrite=False, **more) -> str:
    return CellStyleSave.execute(style_kv, inverted, name, form, precision, overwrite, **more).result[0]


def load(file, model=None):
    """(STYLE_KV, inverted LATENT, thumbnail, info)"""
    return CellStyleLoad.execute(file, model).result


def differences(bank, other) -> float:
    assert bank.features.keys() == other.features.keys()
    return max(
        float((n - other.features[level][layer]).abs().max())
        for level, layers in bank.features.items()
        for layer, n in layers.items()
    )


@pytest.mark.parametrize("kind", ["sd15", "sdxl", "sd2v"])
def test_a_compact_file_gives_the_captured_features_again(folder, kind):
    model, conditioning = tiny_model(kind), tiny_conditioning(kind)
    style_kv, inverted = capture(model, conditioning, latent(2, 4, 16, 24), refinement=1)
    file = save(style_kv, inverted)
    loaded, noise, picture, info = load(file, model)
    print(info, picture.shape, differences(style_kv.bank, loaded.bank))
    assert torch.equal(noise["samples"], inverted["samples"])
    assert differences(style_kv.bank, loaded.bank) < 1e-5
