"""A small sound style file of every kind."""

from __future__ import annotations

from pathlib import Path

import torch
from cellstyle.nodes.save_style import style_of
from cellstyle.style_file.style import write_style
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from run_nodes import capture, latent


def sound_files(folder: Path) -> dict[str, bytes]:
    """A file of every kind, each of a few kilobytes: compact and full, both precisions, two model families, a batch."""
    made = {}
    for name, kind, form, dtype, shape in (
        ("full", "sdxl", "full", "F16", (1, 4, 4, 6)),
        ("compact", "sd15", "compact", "F32", (1, 4, 8, 4)),
        ("batch", "sd2v", "compact", "F16", (2, 4, 4, 4)),
        ("both", "sd15", "full", "F32", (1, 4, 4, 4)),
    ):
        layers = "output.5" if kind == "sdxl" else "output.11"
        with torch.inference_mode():
            style_kv, inverted = capture(
                tiny_model(kind), tiny_conditioning(kind), latent(*shape), steps=2, layers=layers
            )
            texts = {"title": "ink", "author": "a", "licence": "CC0"}
            style = style_of(style_kv.bank, inverted, form, dtype, texts)
            made[name] = write_style(iter([folder / f"{name}.safetensors"]), style).read_bytes()
    return made
