"""Saving and loading styles for tests."""

from __future__ import annotations

from pathlib import Path

import folder_paths
import torch
from cellstyle.nodes.load_style import CellStyleLoad
from cellstyle.nodes.save_style import CellStyleSave, style_of
from cellstyle.style_file.style import write_style
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from run_nodes import capture, latent


def style_folder_in(tmp_path: Path, monkeypatch) -> Path:
    """ComfyUI's folder of styles, empty, under tmp_path."""
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path / "models"))
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", dict(folder_paths.folder_names_and_paths))
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})  # or the list of this folder outlives the test
    folder_paths.folder_names_and_paths.pop("cellstyle", None)
    (tmp_path / "models" / "cellstyle").mkdir(parents=True)
    return tmp_path / "models" / "cellstyle"


def captured_style() -> tuple:
    """model, conditioning, STYLE_KV and inverted LATENT of one style that is not square."""
    with torch.inference_mode():
        model, conditioning = tiny_model(), tiny_conditioning()
        return model, conditioning, *capture(model, conditioning, latent(1, 4, 8, 12), steps=2, layers="output.9-11")


def save(style_kv, inverted, name="style", form="compact", precision="fp32", overwrite=False, **more) -> str:
    return CellStyleSave.execute(style_kv, inverted, name, form, precision, overwrite, **more).result[0]


def load(file, model=None):
    """(STYLE_KV, inverted LATENT, thumbnail, info)"""
    return CellStyleLoad.execute(file, model).result


def sound_file(folder: Path) -> bytes:
    """A small full file."""
    with torch.inference_mode():
        model, conditioning = tiny_model("sdxl"), tiny_conditioning("sdxl")
        style_kv, inverted = capture(model, conditioning, latent(1, 4, 4, 6), steps=2, layers="output.5")
        style = style_of(style_kv.bank, inverted, "full", "F16", {"title": "ink", "author": "", "licence": ""})
        return write_style(iter([folder / "good.safetensors"]), style).read_bytes()
