"""The safetensors container: a header read with distrust, tensors read one by one, a file written in one go or not at
all. Format: https://huggingface.co/docs/safetensors (8 bytes of length, a JSON header, the data)."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import BinaryIO

import torch

from .drafts import draft_in

DTYPES = {"F32": torch.float32, "F16": torch.float16, "U8": torch.uint8}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
LARGEST_HEADER = 2 * 1024**2
MOST_DIMENSIONS = 8
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True)
class Entry:
    """One tensor as the header declares it; begin and end are bytes of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(file: BinaryIO) -> tuple[dict[str, Entry], dict[str, str]]:
    """What a safetensors file says it holds; takes no memory for data.

    Returns: entries by name, and the metadata.
    Raises: ValueError (a clause, without the file's name): no safetensors file, truncated, a header that is too large,
        too deep or no JSON, a tensor that is described wrongly or whose bytes overlap, leave a gap or go past the end.
    """
    size = os.fstat(file.fileno()).st_size
    start = file.read(8)
    if start.startswith(_PICKLES):
        raise ValueError("it is a pickle under another name; such files can run code and are not opened")
    if len(start) < 8:
        raise ValueError("it is no safetensors file, or only the beginning of one")
    (length,) = struct.unpack("<Q", start)
    first = file.read(1)
    if first != b"{":
        raise ValueError("it is no safetensors file")
    if length > LARGEST_HEADER:
        raise ValueError(f"its header is too large ({length} bytes; at most {LARGEST_HEADER})")
    if 8 + length > size:
        raise ValueError(f"it is truncated ({size} bytes, and the header alone needs {8 + length})")
    header = parse_json(first + file.read(length - 1))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are not texts")
    entries = {name: _entry(name, value, 8 + length) for name, value in header.items()}
    at = 8 + length
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != at:
            raise ValueError(f"the bytes of tensor {name[:60]!r} overlap with others or leave a gap")
        at = entry.end
    if at != size:
        what = "truncated" if at > size else "followed by bytes that belong to nothing"
        raise ValueError(f"it is {what} ({size} bytes where the header declares {at})")
    return entries, metadata


def read_tensor(file: BinaryIO, name: str, entry: Entry, place: torch.Tensor | None = None) -> torch.Tensor:
    """One tensor, in `place` (contiguous, of its shape and type) or memory of its own. Raises: ValueError: truncated,
    NaN or infinite."""
    tensor = torch.empty(entry.shape, dtype=DTYPES[entry.dtype]) if place is None else place
    file.seek(entry.begin)
    if file.readinto(memoryview(tensor.numpy()).cast("B")) != entry.end - entry.begin:
        raise ValueError(f"it ends within tensor {name[:60]!r}")
    if not all_finite(tensor):
        raise ValueError(f"tensor {name[:60]!r} holds NaN or infinite values")
    return tensor


def all_finite(tensor: torch.Tensor) -> bool:
    """Whether no value is NaN or infinite; told from minimum and maximum, 40 times faster than value by value."""
    return not tensor.is_floating_point() or all(isfinite(extreme) for extreme in tensor.aminmax())


def write_file(
    paths: Iterable[Path],
    overwrite: bool,
    specs: Mapping[str, tuple[torch.dtype, tuple[int, ...]]],
    produce: Callable[[str], torch.Tensor],
    metadata: Mapping[str, str],
) -> Path:
    """Writes a safetensors file whole or not at all: beside its place, then synced, then moved there.

    Args:
        paths: places in one folder; the first is taken, or without `overwrite` the first where nothing is.
        specs: dtype and shape of each tensor by name. produce: makes one tensor of that dtype and shape when its turn
            comes, so that only one is held.
    Returns: the place.
    Raises: ValueError: a header that `read_header` would refuse; whatever `produce` raises; OSError from the disk.
    """
    paths = iter(paths)
    path = next(paths)
    order = sorted(specs, key=lambda name: -specs[name][0].itemsize)  # stable: keeps every tensor aligned
    header: dict = {"__metadata__": dict(metadata)}
    at = 0
    for name in order:
        dtype, shape = specs[name]
        end = at + prod(shape) * dtype.itemsize
        header[name] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER:
        raise ValueError(f"{len(order)} tensors are too many for one style file. Capture fewer layers or steps.")
    with draft_in(path.parent) as (draft, file):
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            dtype, shape = specs[name]
            tensor = produce(name).detach().to("cpu", dtype).contiguous()
            if tuple(tensor.shape) != tuple(shape):
                raise ValueError(f"tensor {name} has shape {tuple(tensor.shape)}, not {tuple(shape)}.")
            file.write(memoryview(tensor.numpy()).cast("B"))
        file.flush()
        os.fsync(file.fileno())
        if os.name == "nt":
            file.close()  # Windows moves no file that is open
        while not _move(draft, path, overwrite):
            path = next(paths)
        return path


def _move(draft: Path, path: Path, overwrite: bool) -> bool:
    """Gives a file its place in one step; False where the place is taken."""
    if overwrite:
        os.replace(draft, path)
        return True
    try:
        os.link(draft, path)  # unlike a rename, never over a file that another save put there meanwhile
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            return False
        os.replace(draft, path)
    return True


def parse_json(text: bytes) -> dict:
    """A JSON object from a stranger, UTF-8. Raises: ValueError (a clause): anything else, too deep, a key twice."""
    try:
        value = json.loads(
            text.decode(), object_pairs_hook=_no_repeats, parse_constant=_no_constant, parse_int=_short_integer
        )
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("its header is no JSON") from None
    if not isinstance(value, dict):
        raise ValueError("its header is no JSON object")
    return value


def _entry(name: str, value, data_start: int) -> Entry:
    wrong = ValueError(f"tensor {name[:60]!r} is described wrongly")
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise wrong
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not _naturals(shape) or len(shape) > MOST_DIMENSIONS or not _naturals(offsets) or len(offsets) != 2:
        raise wrong
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"tensor {name[:60]!r} has type {str(dtype)[:20]!r}; style files hold F32, F16 and U8")
    if offsets[1] - offsets[0] != prod(shape) * DTYPES[dtype].itemsize:
        raise ValueError(f"the shape of tensor {name[:60]!r} does not fit its bytes")
    return Entry(dtype, tuple(shape), data_start + offsets[0], data_start + offsets[1])


def _naturals(value) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**48 for n in value)


def _no_repeats(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("its header names something twice")
    return found


def _short_integer(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("its header holds a number that is too long")
    return int(digits)


def _no_constant(name: str):
    raise ValueError(f"its header holds {name}")
