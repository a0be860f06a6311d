"""The small picture that a style file carries."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

SIDE = 256
LARGEST_BYTES = 512 * 1024
LARGEST_SIDE = 1024


def encode(picture: np.ndarray) -> bytes:
    """A picture (height, width, 1, 3 or 4 channels) in 0..1 as a JPEG whose longer side is at most SIDE."""
    picture = np.nan_to_num(np.asarray(picture, np.float32)[..., :3], posinf=1.0)
    if picture.shape[-1] != 3:
        picture = np.repeat(picture[..., :1], 3, axis=-1)
    image = Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def decode(data: bytes) -> np.ndarray:
    """(height, width, 3) float32 in 0..1.

    Raises: ValueError (a clause): no JPEG or PNG, or larger than LARGEST_SIDE (checked before its pixels are unpacked).
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            if max(image.size) > LARGEST_SIDE:
                raise ValueError(f"its thumbnail is too large ({image.size[0]} x {image.size[1]})")
            return np.asarray(image.convert("RGB"), np.float32) / np.float32(255)
    except (OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("its thumbnail is broken") from None


def of_latent(latent: np.ndarray) -> np.ndarray:
    """A rough picture (8 * height, 8 * width, 3) of a latent (C, height, width), where no picture was given."""
    channels = np.stack([latent[n % len(latent)] for n in range(3)], -1).astype(np.float32)
    low, high = np.percentile(channels, (1, 99), axis=(0, 1))
    channels = np.clip((channels - low) / np.maximum(high - low, 1e-6), 0, 1)
    return channels.repeat(8, 0).repeat(8, 1)
