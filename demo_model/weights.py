"""The demo model's one weights file: its provenance, and every way it can be broken. tools/demo_model writes it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from .architecture import COMFYUI_NORM_GROUPS

WEIGHTS = Path(__file__).resolve().parent / "cellstyle_demo.safetensors"
UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
NULL_CONTEXT = "null_context"  # (1, 4, 32): the conditioning of "no prompt"
LATENT_MEAN, LATENT_STD = "latent.mean", "latent.std"  # (16,)
RGB_FACTORS, RGB_BIAS = "latent.rgb_factors", "latent.rgb_bias"  # (16, 3), (3,): colours of the live preview
FORMAT = "cellstyle-demo-2"
FORMATS = ("cellstyle-demo-1", FORMAT)  # the first had no PREDICTION and NORM_GROUPS: noise and ComfyUI's 32
PREDICTION, NORM_GROUPS = "unet_prediction", "unet_norm_groups"
PREDICTIONS = ("eps", "v")
RESTORE = "Restore demo_model/cellstyle_demo.safetensors from the repository (or install the node pack again)."


def checksum(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read(path: Path = WEIGHTS) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """(tensors, notes). A ValueError says in words what is wrong with the file and what to do."""
    if not path.is_file():
        raise ValueError(f"The demo model's weights are missing: there is no {path}. {RESTORE}")
    with open(path, "rb") as file:
        if file.read(64).startswith(b"version https://git-lfs"):
            raise ValueError(f"{path} is only a Git LFS pointer, not the weights. Run 'git lfs pull' in the node pack.")
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        size = path.stat().st_size
        raise ValueError(
            f"{path} ({size} bytes) cannot be read: it is truncated or damaged ({error}). {RESTORE}"
        ) from error
    if notes.get("format") not in FORMATS:
        raise ValueError(
            f"{path} is not a CellStyle demo model that this version reads: its format is "
            f"{notes.get('format', 'not given')!r}, expected {' or '.join(map(repr, FORMATS))}. {RESTORE}"
        )
    found = checksum(tensors)
    if found != notes.get("checksum"):
        raise ValueError(
            f"{path} is damaged: the checksum of its tensors is {found[:16]}, its header says "
            f"{notes.get('checksum', 'nothing')[:16]}. {RESTORE}"
        )
    return tensors, notes


def network(notes: dict[str, str]) -> tuple[str, int]:
    """(what the UNet predicts: "eps" or "v"; groups of its norms) as the file's notes say, or as before they said it.

    Both change every picture and neither shows in a tensor's shape, so a ValueError refuses what is not known.
    """
    prediction = notes.get(PREDICTION, "eps")
    groups = notes.get(NORM_GROUPS, str(COMFYUI_NORM_GROUPS))
    if prediction not in PREDICTIONS:
        raise ValueError(
            f"The demo model's file says that its UNet predicts {prediction!r}; this version knows "
            f"{' and '.join(map(repr, PREDICTIONS))}. Update the node pack, or: {RESTORE}"
        )
    if not (groups.isascii() and groups.isdigit() and int(groups) > 0):
        raise ValueError(f"The demo model's file gives {groups!r} as its norm groups, expected a number. {RESTORE}")
    return prediction, int(groups)


def part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors under a prefix, without it."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
