"""Writes demo_model/cellstyle_demo.safetensors (fp16) from the checkpoints in .training.

python tools/demo_model/export.py [--version 1.0]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from train_autoencoder import CHECKPOINT as AUTOENCODER
from train_latents import LATENTS
from train_paths import ROOT, WEIGHTS
from train_unet import CHECKPOINT as UNET

sys.path.insert(0, str(ROOT))

from demo_model import weights

DATA = (
    "pictures drawn by tools/demo_model (6 families of micrographs, 12 of ornament) and crops of micrographs and "
    "textures bundled with scikit-image: tissue section, cell, retina, brick, grass, gravel"
)


def gather() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """(tensors, notes) of the averaged weights and of the latent space they were trained in."""
    unet = torch.load(UNET, weights_only=False, map_location="cpu")
    autoencoder = torch.load(AUTOENCODER, weights_only=False, map_location="cpu")
    space = torch.load(LATENTS, weights_only=False)
    tensors = {weights.UNET_PREFIX + name: value.half() for name, value in unet["ema"].items()}
    tensors |= {weights.VAE_PREFIX + name: value.half() for name, value in autoencoder["ema"].items()}
    tensors[weights.NULL_CONTEXT] = unet["context"].half()
    names = (weights.LATENT_MEAN, weights.LATENT_STD, weights.RGB_FACTORS, weights.RGB_BIAS)
    for name, key in zip(names, ("mean", "std", "rgb_factors", "rgb_bias"), strict=True):
        tensors[name] = space[key].float()
    notes = {
        "unet_samples": str(unet["samples"]),
        "unet_steps": str(unet["step"]),
        "unet_minutes": f"{unet['seconds'] / 60:.1f}",
        "autoencoder_crops": str(autoencoder["crops"]),
        "autoencoder_minutes": f"{autoencoder['seconds'] / 60:.1f}",
        "data": DATA,
        "pictures": str(len(space["latents"])),
        "license": "CC0-1.0",
    }
    return tensors, notes


def save(tensors: dict[str, torch.Tensor], notes: dict[str, str], path: Path) -> None:
    """Write tensors with notes and their checksum; the file is there whole or not at all."""
    partial = path.with_suffix(".part")
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(tensors, partial, {**notes, "format": weights.FORMAT, "checksum": weights.checksum(tensors)})
    partial.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", default="1.0")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    tensors, notes = gather()
    save(tensors, {"version": options.version, **notes}, options.output)
    print(f"{options.output.name}: {options.output.stat().st_size / 1e6:.1f} MB, {len(tensors)} tensors, {notes}")


if __name__ == "__main__":
    main()
