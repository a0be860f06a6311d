"""A checkpoint of Stable Diffusion 1.5's full shape with random weights: 2 GB that no test has to download.

Keys and shapes come from ComfyUI's own classes, built without memory; values are written tensor by tensor.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import torch

NAMES = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float8_e4m3fn: "F8_E4M3"}  # safetensors'
UNET = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": (1, 2, 4, 4),
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1] * 9 + [0] * 3,
    "transformer_depth_middle": 1,
    "context_dim": 768,
    "num_heads": 8,
    "use_spatial_transformer": True,
    "use_temporal_attention": False,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
    "legacy": False,
    "use_checkpoint": False,
}
VAE = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}


def shapes() -> dict[str, torch.Size]:
    """The shape of every tensor of the checkpoint, by its key in the original format."""
    import comfy.ops
    import comfy.sd1_clip
    from comfy.ldm.models.autoencoder import AutoencoderKL
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    with torch.device("meta"):
        parts = {
            "model.diffusion_model.": UNetModel(**UNET, device="meta", operations=comfy.ops.disable_weight_init),
            "cond_stage_model.": comfy.sd1_clip.SDClipModel(device="meta"),
            "first_stage_model.": AutoencoderKL(ddconfig=VAE, embed_dim=4),
        }
    named = {prefix + key: value.shape for prefix, part in parts.items() for key, value in part.state_dict().items()}
    return {key: shape for key, shape in named.items() if key.split(".")[1] != "logit_scale"}


def write_sd15_checkpoint(path: Path) -> int:
    """Write the checkpoint; returns its size in bytes."""
    return write_random(path, shapes())


def write_random(
    path: Path,
    tensors: dict[str, torch.Size],
    seed: int = 0,
    dtype: torch.dtype = torch.float16,
    hollow: Callable[[str], bool] = lambda key: False,
) -> int:
    """Write tensors of these shapes; returns the file's size in bytes.

    Weights are noise of a scale that keeps activations near 1; norms are identities, as after training.
    hollow: matrices that stay holes in the file, zeros that take no disk.
    """
    header, offset = {}, 0
    for key, shape in tensors.items():
        end = offset + dtype.itemsize * shape.numel()
        header[key] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    block = torch.randn(1 << 22, generator=torch.Generator().manual_seed(seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        start = file.tell()
        for key, entry in header.items():
            shape = torch.Size(entry["shape"])
            if len(shape) > 1 and hollow(key):
                file.seek(start + entry["data_offsets"][1])
            else:
                file.write(_values(key, shape, block, dtype))
        file.truncate(start + offset)
    return path.stat().st_size


def _values(key: str, shape: torch.Size, block: torch.Tensor, dtype: torch.dtype) -> bytes:
    if len(shape) < 2:
        return _bytes(torch.full(shape, float(key.endswith("weight"))), dtype)
    scale = 0.02 if "embedding" in key else shape[1:].numel() ** -0.5
    whole, rest = divmod(shape.numel(), len(block))
    noise = (block if whole else block[:rest]) * scale
    values = _bytes(noise, dtype)
    return values * whole + values[: rest * dtype.itemsize]


def _bytes(values: torch.Tensor, dtype: torch.dtype) -> bytes:
    return values.to(dtype).view(torch.uint8).numpy().tobytes()
