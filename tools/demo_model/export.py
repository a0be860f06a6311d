"""Writes demo_model/cellstyle_demo.safetensors (fp16) from the checkpoints in .training.

python tools/demo_model/export.py [--version 1.0] [--average FILE SHARE]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from train_autoencoder import CHECKPOINT as AUTOENCODER
from train_latents import LATENTS
from train_paths import ROOT, WEIGHTS
from train_unet import CHECKPOINT as UNET

sys.path.append(str(ROOT))  # behind ComfyUI, whose nodes.py has the name of a folder here

from demo_model import weights

DATA = (
    "pictures drawn by tools/demo_model (7 families of micrographs, 12 of ornament) and crops of micrographs and "
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
        weights.PREDICTION: unet["settings"]["prediction"],
        weights.NORM_GROUPS: str(unet["settings"]["groups"]),
        "unet_samples": str(unet["samples"] + unet["earlier_samples"]),
        "unet_steps": str(unet["step"]),
        "unet_minutes": f"{unet['seconds'] / 60:.1f}",
        "autoencoder_crops": str(autoencoder["crops"]),
        "autoencoder_minutes": f"{autoencoder['seconds'] / 60:.1f}",
        "data": DATA,
        "pictures": str(len(space["latents"])),
        "license": "CC0-1.0",
    }
    return tensors, notes


def average(tensors: dict[str, torch.Tensor], file: Path, share: float) -> dict[str, torch.Tensor]:
    """The tensors with `share` of those of an earlier export of the same run in them.

    Source: Wortsman et al. 2022 (model soups): weights of one run, averaged, lie between its errors or below them.
    """
    earlier = load_file(file)
    if earlier.keys() != tensors.keys():
        raise SystemExit(f"{file.name} has other tensors than this model: average with an export of the same run.")
    return {
        name: torch.lerp(value.float(), earlier[name].float(), share).to(value.dtype) for name, value in tensors.items()
    }


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
    parser.add_argument("--average", nargs=2, metavar=("FILE", "SHARE"), help="an earlier export of the run, and 0..1")
    options = parser.parse_args()
    tensors, notes = gather()
    if options.average:
        file, share = Path(options.average[0]), float(options.average[1])
        tensors = average(tensors, file, share)
        with safe_open(file, "pt") as earlier:
            samples = earlier.metadata()["unet_samples"]
        notes["averaged"] = f"{1 - share:g} of these weights and {share:g} of those after {samples} samples"
    save(tensors, {"version": options.version, **notes}, options.output)
    print(f"{options.output.name}: {options.output.stat().st_size / 1e6:.1f} MB, {len(tensors)} tensors, {notes}")


if __name__ == "__main__":
    main()
