"""IMAGE and MASK inputs as arrays."""

from __future__ import annotations

import numpy as np
import torch


def checked_pictures(image, what: str) -> np.ndarray:
    """An IMAGE as (B, H, W, 3) float32 in 0 .. 1; an alpha channel is left out.

    Raises: ValueError: no batch of pictures, none in it, or values that are not finite.
    """
    if not torch.is_tensor(image) or image.ndim != 4 or image.numel() == 0 or image.shape[3] not in (1, 3, 4):
        given = tuple(image.shape) if torch.is_tensor(image) else type(image).__name__
        raise ValueError(f"{what} is {given}, not a batch of pictures (batch, height, width, 3). Connect an IMAGE.")
    pictures = image[..., :3].detach().float().cpu()
    if not bool(torch.isfinite(pictures).all()):
        raise ValueError(f"{what} contains NaN or infinite values; look at the node that made it.")
    return pictures.clamp(0, 1).expand(*pictures.shape[:3], 3).numpy()


def checked_masks(mask, what: str, size: tuple[int, int]) -> np.ndarray:
    """A MASK as (B, height, width) float32 in 0 .. 1, resized to `size` where it has another.

    Raises: ValueError: no batch of masks, none in it, or values that are not finite.
    """
    if torch.is_tensor(mask) and mask.ndim == 2:
        mask = mask[None]
    if not torch.is_tensor(mask) or mask.ndim != 3 or mask.numel() == 0 or not bool(torch.isfinite(mask).all()):
        given = tuple(mask.shape) if torch.is_tensor(mask) else type(mask).__name__
        raise ValueError(f"{what} is {given}, not a batch of masks (batch, height, width). Connect a MASK.")
    mask = mask.detach().float().cpu().clamp(0, 1)
    if mask.shape[1:] != size:
        mask = torch.nn.functional.interpolate(mask[:, None], size, mode="bilinear", antialias=True)[:, 0]
    return mask.numpy()
