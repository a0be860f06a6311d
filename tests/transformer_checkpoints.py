"""Small files in place of the downloads of the transformer workflows, for ComfyUI's own loaders to read.

Keys and shapes are those from which ComfyUI tells the real models. What it takes from shapes is small.
"""

from __future__ import annotations

from pathlib import Path

import torch
from comfy_test_nodes.tiny_models import randomise
from safetensors.torch import save_file
from sd15_checkpoint import VAE, write_random

CLIP_WIDTH = 768


def write_flux2(path: Path) -> None:
    """A Flux.2 of one head, one double and two single blocks, that reads CLIP's width."""
    from comfy_test_nodes.tiny_transformers import tiny_transformer

    network = tiny_transformer(
        "flux2",
        hidden_size=128,
        num_heads=1,
        axes_dim=[32, 32, 32, 32],
        mlp_ratio=3.0,
        depth=1,
        depth_single_blocks=2,
        context_in_dim=CLIP_WIDTH,
    ).model.diffusion_model
    _save(path, network)


def write_clip(path: Path) -> None:
    """A text encoder of CLIP-L's shape: the smallest that ComfyUI knows."""
    import comfy.sd1_clip

    with torch.device("meta"):
        found = comfy.sd1_clip.SDClipModel(device="meta").state_dict()
    shapes = {name.removeprefix("transformer."): value.shape for name, value in found.items() if "logit" not in name}
    write_random(path, shapes)


def write_flux2_vae(path: Path) -> None:
    """An autoencoder of the shape that Flux.2's has: 32 channels, four places of which make one of 128."""
    from comfy.ldm.models.autoencoder import AutoencoderKL

    network = AutoencoderKL(ddconfig={**VAE, "z_channels": 32, "batch_norm_latent": True}, embed_dim=32)
    randomise(network, 2)
    _save(path, network)


def _save(path: Path, network: torch.nn.Module) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, path)
