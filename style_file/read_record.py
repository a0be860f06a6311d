"""The Record in the header of an untrusted file, or the reason why it is refused."""

from __future__ import annotations

from itertools import pairwise
from math import isfinite

import torch

from .record import (
    CONDITIONING_TENSORS,
    FORMAT,
    TEXTS,
    UNET_BLOCKS,
    VERSION,
    Cond,
    Record,
    checked_numbers,
    checked_shape,
    checked_size,
    checked_text,
    checked_type,
    fingerprint,
    parse_layer,
)
from .tensors import Entry, parse_json

MOST_LEVELS, MOST_LAYERS, MOST_CONDITIONINGS = 1000, 512, 64
LARGEST_SIDE, LARGEST_WIDTH = 16384, 65536


def record_from(metadata: dict[str, str]) -> Record:
    """Raises: ValueError (a clause): no style, a newer format, facts missing, of the wrong kind or at odds."""
    if metadata.get("format") != FORMAT:
        raise ValueError("it holds something else than a CellStyle style")
    version = metadata.get("format_version", "")
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise ValueError("it does not say which format it has")
    if int(version) > VERSION:
        raise ValueError(f"it has format {int(version)}, newer than this CellStyle reads ({VERSION})")
    try:
        return _record(parse_json(metadata["style"].encode("utf-8", "replace")), metadata)
    except KeyError as missing:
        raise ValueError(f"its description lacks {missing}") from None
    except (TypeError, AttributeError, OverflowError):
        raise ValueError("its description is not understood") from None


def check_tensors(record: Record, entries: dict[str, Entry]) -> None:
    """Raises: ValueError (a clause): a tensor that is missing, unknown, or not of the type or shape described."""
    if record.features and record.levels * len(record.layers) > len(entries):
        raise ValueError("most of its features are missing")
    expected = record.tensors()
    missing = [name for name in expected if name not in entries]
    if missing:
        raise ValueError(f"{len(missing)} of its tensors are missing, such as {missing[0]}")
    extra = [name for name in entries if name not in expected]
    if extra:
        raise ValueError(f"it holds {len(extra)} tensors that are no part of a style, such as {extra[0][:60]!r}")
    for name, (dtype, shape) in expected.items():
        entry = entries[name]
        if (entry.dtype, entry.shape) != (dtype, shape):
            raise ValueError(f"tensor {name} is {entry.dtype} {list(entry.shape)} where {dtype} {list(shape)} was due")


def _record(facts: dict, metadata: dict[str, str]) -> Record:
    if any(len(facts[name]) > MOST_LAYERS for name in ("widths", "layers", "grids")):
        raise ValueError("it has no layers, or too many")
    widths = {parse_layer(name): checked_shape([width], 1, LARGEST_WIDTH)[0] for name, width in facts["widths"]}
    layers = tuple(parse_layer(name) for name in facts["layers"])
    if not 1 <= len(layers) <= len(widths) or len(widths) != len(facts["widths"]):
        raise ValueError("it has no layers, or too many")
    if layers != tuple(layer for layer in widths if layer in layers):
        raise ValueError("its layers are not those of its model")
    model = facts["model"]
    if not isinstance(model, str) or not model.isprintable() or not 0 < len(model) <= 100:
        raise ValueError("it does not say which model it was made with")
    if facts["fingerprint"] != fingerprint(model, widths):
        raise ValueError("the model it describes does not fit its fingerprint")
    frames = isinstance(facts["shape"], list) and len(facts["shape"]) == 5
    shape = checked_shape(facts["shape"], 5 if frames else 4, LARGEST_SIDE)
    if frames and shape[2] != 1:
        raise ValueError("its latent is a video")
    grids = {parse_layer(name): checked_shape(grid, 2, LARGEST_SIDE) for name, grid in facts["grids"].items()}
    if set(grids) != set(layers) or any(h > shape[-2] or w > shape[-1] for h, w in grids.values()):
        raise ValueError("its token grids do not fit its layers and its size")
    inputs, features = checked_type(facts["inputs"]), checked_type(facts["features"])
    if features and not all(block in UNET_BLOCKS for block, _, _ in widths):
        raise ValueError("it holds features of a transformer, which no file keeps")
    if not (inputs or features):
        raise ValueError("it holds neither a trajectory nor features")
    return Record(
        model=model,
        widths=widths,
        sigmas=_sigmas(facts["sigmas"]),
        layers=layers,
        grids=grids,
        shape=shape,
        inputs=inputs,
        features=features,
        conditioning=_conditioning(facts["conditioning"], bool(inputs)),
        thumbnail=checked_size(facts["thumbnail"]),
        texts={name: checked_text(metadata.get(name, ""), longest) for name, longest in TEXTS.items()},
        pack_version=checked_text(metadata.get("pack_version", ""), 40),
        solver=checked_text(facts.get("solver", "ddim"), 40),
    )


def _tensors(shapes) -> dict[str, tuple[int, ...]]:
    if not isinstance(shapes, dict) or not set(shapes) <= set(CONDITIONING_TENSORS):
        raise ValueError("the tensors of its conditioning are not understood")
    if not all(isinstance(shape, list) and 1 <= len(shape) <= 4 for shape in shapes.values()):
        raise ValueError("a tensor of its conditioning has no shape")
    return {name: checked_shape(shape, len(shape), LARGEST_WIDTH) for name, shape in shapes.items()}


def _sigmas(values) -> tuple[float, ...]:
    if not isinstance(values, list) or not 2 <= len(values) <= MOST_LEVELS:
        raise ValueError("it has no noise levels, or too many")
    if not all(type(s) in (int, float) and isfinite(s) and 0 <= s < 1e6 for s in values):
        raise ValueError("its noise levels are not numbers")
    rounded = torch.tensor(values, dtype=torch.float32).tolist()
    if not all(a > b for a, b in pairwise(rounded)):
        raise ValueError("its noise levels do not fall")
    return tuple(rounded)


def _conditioning(values, needed: bool) -> tuple[Cond, ...]:
    if not isinstance(values, list) or not int(needed) <= len(values) <= MOST_CONDITIONINGS:
        raise ValueError("it has no conditioning, or too much")
    return tuple(
        Cond(
            checked_shape(value["cross_attn"], 3, LARGEST_WIDTH),
            checked_shape(value["pooled_output"], 2, LARGEST_WIDTH) if value["pooled_output"] is not None else None,
            checked_numbers(value["numbers"]),
            _tensors(value.get("tensors", {})),
        )
        for value in values
    )
