"""What a style file says about itself, as JSON; from it follows which tensors the file must hold."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from math import isfinite

from .tensors import DTYPES
from .thumbnail import LARGEST_BYTES

Layer = tuple[str, int, int]
FORMAT = "cellstyle.style"
VERSION = 2
"""The newest that is read. 1: styles of UNets. 2: also transformers' (their layers, latents with a frame axis, guidance
and further tensors of a conditioning); styles of UNets are still written as 1."""
TEXTS = {"title": 200, "author": 200, "licence": 10_000}
"""Free texts and how long they may be."""
NUMBERS = (
    "width",
    "height",
    "crop_w",
    "crop_h",
    "target_width",
    "target_height",
    "aesthetic_score",
    "strength",
    "start_percent",
    "end_percent",
    "clip_start_percent",
    "clip_end_percent",
    "guidance",
)
"""Numbers of a CONDITIONING that a style file keeps beside its tensors."""
CONDITIONING_TENSORS = ("attention_mask", "t5xxl_ids", "t5xxl_weights", "conditioning_llama3")
"""Tensors of a CONDITIONING beside its text and pooled output that a style file keeps."""
WHOLE_NUMBERS = ("attention_mask", "t5xxl_ids")
"""Those of them that are whole numbers; a file holds all as floats."""
UNET_BLOCKS = ("input", "middle", "output")
_LAYER = re.compile(r"(input|middle|output|double|single|joint|block)\.(\d{1,3})\.(\d{1,3})")


@dataclass(frozen=True)
class Cond:
    """Shapes of one entry of the conditioning: cross_attn (batch, tokens, width), pooled_output or None; numbers;
    tensors: shapes of those of CONDITIONING_TENSORS that it has."""

    cross_attn: tuple[int, int, int]
    pooled_output: tuple[int, int] | None
    numbers: dict[str, float]
    tensors: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """Everything but the tensors.

    model: class of the model. widths: width of each of its self-attention layers, in order; with the class the family.
    sigmas: descending. layers: those recorded. grids: (h, w) of their tokens. shape: of the
    latent, (B, C, h, w) or with a frame axis of one (B, C, 1, h, w).
    inputs, features: the type they are stored in ("F32" or "F16"), None where they are not. solver: of the inversion,
    for people to read; "ddim" for files from before it was kept.
    """

    model: str
    widths: dict[Layer, int]
    sigmas: tuple[float, ...]
    layers: tuple[Layer, ...]
    grids: dict[Layer, tuple[int, int]]
    shape: tuple[int, ...]
    inputs: str | None
    features: str | None
    conditioning: tuple[Cond, ...] = ()
    thumbnail: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    pack_version: str = ""
    solver: str = "ddim"

    @property
    def of_unet(self) -> bool:
        """Whether all its layers are those of a UNet."""
        return all(block in UNET_BLOCKS for block, _, _ in self.widths)

    @property
    def levels(self) -> int:
        """Network calls of its inversion."""
        return sum(sigma > 0 for sigma in self.sigmas)

    def tensors(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Type and shape of every tensor that the file holds, no more and no less."""
        found = {"clean": ("F32", self.shape), "inverted": ("F32", self.shape)}
        if self.thumbnail:
            found["thumbnail"] = ("U8", (self.thumbnail,))
        if self.inputs:
            found["inputs"] = (self.inputs, (self.levels, *self.shape))
            for i, cond in enumerate(self.conditioning):
                found[f"conditioning.{i}.cross_attn"] = ("F32", cond.cross_attn)
                if cond.pooled_output:
                    found[f"conditioning.{i}.pooled_output"] = ("F32", cond.pooled_output)
                for name, shape in cond.tensors.items():
                    found[f"conditioning.{i}.{name}"] = ("F32", shape)
        if self.features:
            for level in range(self.levels):
                for layer in self.layers:
                    h, w = self.grids[layer]
                    shape = (self.shape[0], h * w, self.widths[layer])
                    found[feature_name(level, layer)] = (self.features, shape)
        return found


def feature_name(level: int, layer: Layer) -> str:
    """The tensor's name in the file: "features.0.output.6.0"."""
    return f"features.{level}.{spelt(layer)}"


def spelt(layer: Layer) -> str:
    """A layer as a file names it: "output.6.0"."""
    return f"{layer[0]}.{layer[1]}.{layer[2]}"


def to_metadata(record: Record) -> dict[str, str]:
    """The header's texts."""
    facts = {
        "model": record.model,
        "widths": [[spelt(layer), width] for layer, width in record.widths.items()],
        "fingerprint": fingerprint(record.model, record.widths),
        "sigmas": list(record.sigmas),
        "layers": [spelt(layer) for layer in record.layers],
        "grids": {spelt(layer): list(record.grids[layer]) for layer in record.layers},
        "shape": list(record.shape),
        "inputs": record.inputs,
        "features": record.features,
        "conditioning": [
            {
                "cross_attn": list(cond.cross_attn),
                "pooled_output": list(cond.pooled_output) if cond.pooled_output else None,
                "numbers": cond.numbers,
                **({"tensors": {name: list(shape) for name, shape in cond.tensors.items()}} if cond.tensors else {}),
            }
            for cond in record.conditioning
        ],
        "thumbnail": record.thumbnail,
        "solver": record.solver,
    }
    return {
        "format": FORMAT,
        "format_version": str(1 if record.of_unet else 2),
        "pack_version": record.pack_version,
        **record.texts,
        "style": json.dumps(facts, allow_nan=False),
    }


def fingerprint(model: str, widths: dict[Layer, int]) -> str:
    """Names the model family; equal for every fine-tune and LoRA of one architecture."""
    text = json.dumps([model, [[spelt(layer), width] for layer, width in widths.items()]])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_layer(text) -> Layer:
    """The layer that `spelt` wrote. Raises: ValueError (a clause)."""
    match = _LAYER.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"{str(text)[:40]!r} is no layer")
    return match[1], int(match[2]), int(match[3])


def checked_text(text, longest: int) -> str:
    """A text from an untrusted file, for people to read: no control characters, at most `longest` characters."""
    text = "".join(c for c in str(text)[:longest] if c == "\n" or c.isprintable())
    return text.encode("utf-8", "replace").decode()


def checked_shape(value, dimensions: int, most: int) -> tuple[int, ...]:
    """A list of so many numbers from 1 to `most`. Raises: ValueError (a clause)."""
    good = isinstance(value, list) and len(value) == dimensions
    if not good or not all(type(n) is int and 1 <= n <= most for n in value):
        raise ValueError(f"{repr(value)[:60]} is no shape of {dimensions} numbers from 1 to {most}")
    return tuple(value)


def checked_numbers(value) -> dict[str, float]:
    """A conditioning's NUMBERS, finite and below 1e9. Raises: ValueError (a clause)."""
    if not isinstance(value, dict) or not set(value) <= set(NUMBERS):
        raise ValueError("the numbers of its conditioning are not understood")
    if not all(type(n) in (int, float) and isfinite(n) and abs(n) < 1e9 for n in value.values()):
        raise ValueError("a number of its conditioning makes no sense")
    return value


def checked_size(value) -> int:
    """Bytes of a thumbnail, 0 .. LARGEST_BYTES. Raises: ValueError (a clause)."""
    if type(value) is not int or not 0 <= value <= LARGEST_BYTES:
        raise ValueError("its thumbnail is too large")
    return value


def checked_type(value) -> str | None:
    """A floating-point type of safetensors, or None. Raises: ValueError (a clause)."""
    if value is not None and (value not in DTYPES or not DTYPES[value].is_floating_point):
        raise ValueError(f"{str(value)[:20]!r} is no type for a style")
    return value
