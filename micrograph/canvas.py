"""Fitting a picture to what a model wants, and the way back."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

from .errors import MicrographError
from .limits import MAX_SAMPLES

SIZES = ("keep", "resize", "pad", "resize and pad")
FILLS = ("reflect", "edge", "black")
WAY_BACK = "Connect the metadata of Load Micrograph."


@dataclass(frozen=True)
class Fit:
    """Source size -> scaled size -> padded at the right and bottom to the output size, all in pixels."""

    source_width: int
    source_height: int
    scaled_width: int
    scaled_height: int
    output_width: int
    output_height: int


def plan(width: int, height: int, size: str, longest_side: int, multiple: int) -> Fit:
    """How a picture of this size is fitted.

    Args:
        size: one of SIZES. Resize gives the longer side `longest_side` pixels, the other in proportion, at least 1;
            pad fills up to the next multiple.
    """
    scaled_width, scaled_height = width, height
    if size.startswith("resize"):
        scale = longest_side / max(width, height)
        scaled_width, scaled_height = (max(1, math.floor(side * scale + 0.5)) for side in (width, height))
    step = multiple if size.endswith("pad") else 1
    return Fit(
        width, height, scaled_width, scaled_height, -(-scaled_width // step) * step, -(-scaled_height // step) * step
    )


def fit(image: np.ndarray, way: Fit, fill: str = "reflect") -> np.ndarray:
    """Resizes and pads one picture (height, width, channels) in 0..1, float32; see FILLS for the padding."""
    image = resize(image, way.scaled_width, way.scaled_height)
    right, below = way.output_width - way.scaled_width, way.output_height - way.scaled_height
    if fill == "black":
        return np.pad(image, ((0, below), (0, right), (0, 0)))
    mode = "edge" if fill == "edge" or min(image.shape[:2]) == 1 else "reflect"
    return np.pad(image, ((0, below), (0, right), (0, 0)), mode=mode)


def restore(image: np.ndarray, way: Fit, original: bool = True) -> np.ndarray:
    """Takes the padding off and, if asked for, goes back to the source size.

    Args:
        image: (height, width, channels). A picture that was enlarged on the way (an upscaler) is cropped in proportion.
    Returns: (source_height, source_width, channels), or the cropped picture at its own scale.
    """
    image = unpad(image, way)
    return resize(image, way.source_width, way.source_height) if original else image


def unpad(image: np.ndarray, way: Fit) -> np.ndarray:
    """Takes the padding off a picture (height, width, channels), in proportion where it was enlarged on the way."""
    height, width = image.shape[:2]
    keep_width = max(1, min(width, math.floor(width * way.scaled_width / way.output_width + 0.5)))
    keep_height = max(1, min(height, math.floor(height * way.scaled_height / way.output_height + 0.5)))
    return image[:keep_height, :keep_width]


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """(h, w, channels) at another size, by Lanczos with antialiasing, clipped to 0..1; its own size changes nothing."""
    if image.shape[:2] == (height, width):
        return image
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(image[..., n], np.float32)).resize((width, height), Image.LANCZOS)
        )
        for n in range(image.shape[2])
    ]
    return np.clip(np.stack(planes, -1), 0, 1)


def to_metadata(way: Fit) -> dict[str, int]:
    """The part of the metadata that `from_metadata` reads."""
    return asdict(way)


def from_metadata(text: str) -> Fit:
    """The Fit in the metadata of Load Micrograph.

    Raises: MicrographError: no JSON, no size in it, sizes that make no sense or are too large.
    """
    try:
        record = json.loads(text)["transform"]
        way = Fit(**{key: record[key] for key in Fit.__dataclass_fields__})
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MicrographError(f"metadata does not say how the picture was fitted. {WAY_BACK}") from None
    sides = list(asdict(way).values())
    if not all(type(side) is int and side > 0 for side in sides):
        raise MicrographError(f"metadata gives sizes that are not whole positive numbers. {WAY_BACK}")
    if way.scaled_width > way.output_width or way.scaled_height > way.output_height:
        raise MicrographError(f"metadata gives a picture larger than its canvas. {WAY_BACK}")
    if way.source_width * way.source_height * 3 > MAX_SAMPLES:
        raise MicrographError(
            f"metadata asks for {way.source_width} x {way.source_height} pixels, more than the limit of "
            f"{MAX_SAMPLES // 3 / 1e6:,.0f} million. Keep the smaller picture instead."
        )
    return way
