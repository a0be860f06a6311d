"""Does attention read the style? What a wrong picture's keys and values cost, and what the right one's save."""

from __future__ import annotations

import numpy as np
import torch
from train_unet import read_reference

LEVELS = (0.7, 1.5, 3.0)
CROP = 16


@torch.inference_mode()
def reading(bench, pictures: np.ndarray, seed: int = 11) -> dict[float, dict[str, float]]:
    """Noise level -> {"own", "right", "wrong"}: squared error with keys and values of the crop's own, of another crop
    of its picture, and of a crop of another picture; pictures (N, 256, 256, 3) in 0..1."""
    generator = torch.Generator().manual_seed(seed)
    space = bench.model.get_model_object("latent_format")
    latents = torch.cat([space.process_in(bench.encode(picture)["samples"]) for picture in pictures])
    query, right = (_crops(latents, generator) for _ in range(2))
    references = {"own": query, "right": right, "wrong": right.roll(len(right) // 2, dims=0)}
    found = {}
    for level in LEVELS:
        noise = torch.randn(query.shape, generator=generator)
        other = torch.randn(query.shape, generator=generator)
        x = query + level * noise
        found[level] = {}
        for name, reference in references.items():
            read = x if name == "own" else reference + level * other
            denoised = _denoised(bench, torch.cat([read, x]), level)
            found[level][name] = (denoised[len(x) :] - query).square().mean().item()
    return found


def wrong_minus_right(errors: dict[str, float]) -> float:
    """What the wrong reference costs more than the right one, as a share of the error with none."""
    return (errors["wrong"] - errors["right"]) / errors["own"]


def _crops(latents: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    corners = torch.randint(latents.shape[-1] - CROP + 1, (len(latents), 2), generator=generator).tolist()
    return torch.stack([z[:, y : y + CROP, x : x + CROP] for z, (y, x) in zip(latents, corners, strict=True)])


def _denoised(bench, x: torch.Tensor, level: float) -> torch.Tensor:
    """The clean latents that the model finds, where the second half of the batch reads the first."""
    import comfy.model_management

    comfy.model_management.load_models_gpu([bench.model])
    device = bench.model.load_device
    sigma = torch.full((len(x),), level, device=device)
    context = bench.conditioning[0][0].to(device).expand(len(x), -1, -1)
    options = {"patches": {"attn1_patch": [read_reference]}}
    return bench.model.model.apply_model(x.to(device), sigma, c_crossattn=context, transformer_options=options).cpu()
