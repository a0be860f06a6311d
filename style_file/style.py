"""A style as a file holds it, and the two functions that write and read it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from . import thumbnail
from .read_record import check_tensors, record_from
from .record import CONDITIONING_TENSORS, WHOLE_NUMBERS, Cond, Layer, Record, feature_name, to_metadata
from .tensors import DTYPES, all_finite, read_header, read_tensor, write_file


@dataclass
class Style:
    """What a file holds.

    record: everything but the tensors. clean: (B, C, ..., H, W) the style's latent in the model's own scale; inverted:
    its noise in LATENT scale; both float32. inputs[level]: like clean, what the network saw. conditioning:
    CONDITIONING. blocks[layer]: (levels, B, tokens, width), the features. picture: (h, w, 3) in 0..1, the thumbnail.
    """

    record: Record
    clean: torch.Tensor
    inverted: torch.Tensor
    inputs: dict[int, torch.Tensor] = field(default_factory=dict)
    conditioning: list = field(default_factory=list)
    blocks: dict[Layer, torch.Tensor] = field(default_factory=dict)
    picture: np.ndarray | None = None


def write_style(paths: Iterable[Path], style: Style, overwrite: bool = False) -> Path:
    """Writes a style, whole or not at all. `style.record` says what of it and in which type.

    Args:
        paths: see `paths_to_write`; the first is taken, or without `overwrite` the first where nothing is.
    Returns: the path.
    Raises: ValueError: a tensor that is missing, not finite, or too large for its type. OSError from the disk.
    """
    picture = style.picture if style.picture is not None else thumbnail.of_latent(_flat(style.clean).numpy())
    data = thumbnail.encode(picture)
    record = dataclasses.replace(style.record, thumbnail=len(data))
    tensors = _producers(style, data)
    specs = {name: (DTYPES[dtype], shape) for name, (dtype, shape) in record.tensors().items()}

    def produce(name: str) -> torch.Tensor:
        given = tensors[name]()
        tensor = given.to("cpu", specs[name][0])
        if not all_finite(tensor):
            if all_finite(given):
                raise ValueError("the style holds values beyond 65504, too large for fp16. Set precision to fp32.")
            raise ValueError("the style holds NaN or infinite values. Capture it again, with the model in fp32.")
        return tensor

    return write_file(paths, overwrite, specs, produce, to_metadata(record))


def read_record(path: Path) -> tuple[Record, int]:
    """What a file says about itself, checked against its tensors' shapes and its size; no tensor is read.

    Returns: the record, and the bytes that its tensors take.
    Raises: ValueError: one sentence that names the file.
    """
    with _open(path) as file, _explained(path):
        record, entries = _checked(file)
        return record, sum(entry.end - entry.begin for entry in entries.values())


def read_style(path: Path, accept: Callable[[Record, int], None] = lambda record, size: None) -> Style:
    """Reads a style.

    Args:
        accept: called with the record and the bytes the tensors take before memory is taken; raises to refuse.
    Raises:
        ValueError: one sentence that names the file: no style, a newer format, truncated, or tensors that are missing,
            unknown, of the wrong type or shape, or not finite. What `accept` raises.
    """
    with _open(path) as file:
        with _explained(path):
            record, entries = _checked(file)
        accept(record, sum(entry.end - entry.begin for entry in entries.values()))
        with _explained(path):
            blocks, places = _blocks_for(record)
            tensors = {name: read_tensor(file, name, entry, places.get(name)) for name, entry in entries.items()}
            data = tensors["thumbnail"].numpy().tobytes() if record.thumbnail else b""
            picture = thumbnail.decode(data) if data else thumbnail.of_latent(_flat(tensors["clean"]).numpy())
    style = Style(record, tensors["clean"], tensors["inverted"], blocks=blocks, picture=picture)
    if record.inputs:
        style.inputs = {level: x.float() for level, x in enumerate(tensors["inputs"])}
        style.conditioning = [_cond(tensors, i, cond) for i, cond in enumerate(record.conditioning)]
    return style


def _flat(clean: torch.Tensor) -> torch.Tensor:
    """(C, h, w) float32 of the first image."""
    return (clean[0] if clean.ndim == 4 else clean[0, :, 0]).float()


def _blocks_for(record: Record) -> tuple[dict[Layer, torch.Tensor], dict[str, torch.Tensor]]:
    """Empty blocks (levels, B, tokens, width) for the features of a file, and each tensor's place by its name."""
    blocks, places = {}, {}
    shapes = record.tensors()
    for layer in record.layers if record.features else ():
        dtype, shape = shapes[feature_name(0, layer)]
        blocks[layer] = torch.empty((record.levels, *shape), dtype=DTYPES[dtype])
        places.update({feature_name(level, layer): blocks[layer][level] for level in range(record.levels)})
    return blocks, places


def _producers(style: Style, data: bytes) -> dict[str, Callable[[], torch.Tensor]]:
    found: dict[str, Callable[[], torch.Tensor]] = {
        "clean": lambda: style.clean,
        "inverted": lambda: style.inverted,
        "thumbnail": lambda: torch.frombuffer(bytearray(data), dtype=torch.uint8),
        "inputs": lambda: torch.stack([style.inputs[level] for level in range(style.record.levels)]),
    }
    for i, (cross_attn, extra) in enumerate(style.conditioning):
        found[f"conditioning.{i}.cross_attn"] = lambda given=cross_attn: given
        for name in ("pooled_output", *CONDITIONING_TENSORS):
            found[f"conditioning.{i}.{name}"] = lambda given=extra, name=name: given[name]
    for layer, levels in style.blocks.items():
        for level, features in enumerate(levels):
            found[feature_name(level, layer)] = lambda given=features: given
    return found


def _cond(tensors: dict[str, torch.Tensor], i: int, cond: Cond) -> list:
    extra: dict = dict(cond.numbers)
    if cond.pooled_output:
        extra["pooled_output"] = tensors[f"conditioning.{i}.pooled_output"]
    for name in cond.tensors:
        found = tensors[f"conditioning.{i}.{name}"]
        extra[name] = found.round().long() if name in WHOLE_NUMBERS else found
    return [tensors[f"conditioning.{i}.cross_attn"], extra]


def _checked(file) -> tuple[Record, dict]:
    entries, metadata = read_header(file)
    record = record_from(metadata)
    check_tensors(record, entries)
    return record, entries


def _open(path: Path):
    try:
        return open(path, "rb")
    except OSError as reason:
        raise ValueError(f"{os.path.basename(path)} cannot be read: {reason.strerror}.") from None


@contextmanager
def _explained(path: Path):
    """A reason against a file becomes a sentence with its name."""
    try:
        yield
    except ValueError as reason:
        raise ValueError(
            f"{os.path.basename(path)} cannot be used as a style: {reason}. Save or download it again, or update "
            "CellStyle if it comes from a newer version."
        ) from None
    except OSError as reason:
        raise ValueError(f"{os.path.basename(path)} cannot be read: {reason.strerror}.") from None
