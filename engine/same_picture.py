"""Whether what is sampled can be the picture whose queries are kept: tiles of an upscaler are not."""

from __future__ import annotations

import torch
import torch.nn.functional as F

_COMPARED = 16  # latent pixels along a side: coarse enough to forgive a style, fine enough to tell pictures apart
_ALIKE = 0.3
"""Correlation from which two latents count as one picture. A picture and its stylised self have .5 and more."""


def check_aspect(clean: torch.Tensor, sampled: torch.Tensor) -> None:
    """Raises ValueError where the sampled latents have another aspect ratio than the content that was inverted.

    clean, sampled: (B, C, ..., h, w). A latent pixel of rounding is forgiven.
    """
    (height, width), (h, w) = clean.shape[-2:], sampled.shape[-2:]
    scale = max(h / height, w / width)
    if abs(h - height * scale) > 1 + scale or abs(w - width * scale) > 1 + scale:
        raise ValueError(
            f"the sampled picture is {w} x {h} latent pixels and the content that was inverted {width} x {height}: not "
            "the same picture, as when an upscaler samples tile by tile, so the content's queries have no place on it. "
            "Set gamma to 0 for that sampler, or sample the picture as a whole."
        )


def likeness(a: torch.Tensor, b: torch.Tensor) -> float:
    """Correlation, -1 .. 1, of two pictures' latents (B or 1, C, h, w) of any size: coarsely, colours left aside."""

    def coarse(x: torch.Tensor) -> torch.Tensor:
        x = F.interpolate(x.float().cpu(), size=(_COMPARED, _COMPARED), mode="area")
        return (x - x.mean((-2, -1), keepdim=True)).mean(0).flatten()

    return float(F.cosine_similarity(coarse(a), coarse(b), dim=0))


def may_be_a_tile(clean: torch.Tensor, started_from: torch.Tensor, noise: torch.Tensor) -> bool:
    """Whether a sampling that adds noise to a picture starts from another picture than the one that was inverted.

    Args:
        clean: (B, C, ..., h, w) the content's latent. started_from: the sampler's latent, in the same scale.
        noise: what the sampler adds. Without any, the latent is an inversion's and nothing can be compared; an empty
            latent is no picture.
    """
    if not bool(noise.any()) or not bool(started_from.any()) or clean.shape[1] != started_from.shape[1]:
        return False
    if clean.ndim != 4 or started_from.ndim != 4:
        return False
    return likeness(clean, started_from) < _ALIKE
