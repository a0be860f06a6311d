"""Whether a PNG or JPEG holds as much as its header says. Decoders fill what is missing with black and say nothing."""

from __future__ import annotations

import os
import struct
import zlib

from .errors import MicrographError

MOST_PIXELS_A_BYTE = 4096
"""Eight times as many as in a flat gray JPEG, which spends a bit on each block of 64 pixels."""
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PIECE = 1 << 20


def check_png(handle, name: str) -> None:
    """Unpacks the picture data piece by piece and counts the bytes; the file's position is as before.

    Format: https://www.w3.org/TR/png-3/ (chunks, filter bytes, Adam7 interlacing).
    Raises: MicrographError: fewer data than width and height need, or none. zlib.error: damaged ones.
    """
    start = handle.tell()
    handle.seek(16)
    needed = _bytes_needed(*struct.unpack(">IIBBBBB", handle.read(13)))
    handle.seek(8)
    held = 0
    for size in _unpacked_sizes(handle):
        held += size
        if held >= needed:
            break
    handle.seek(start)
    if held < needed:
        raise MicrographError(
            f"{name} is damaged: it holds {held:,} of the {needed:,} bytes that it needs. Copy or upload it again."
        )


def check_jpeg(handle, name: str, width: int, height: int) -> None:
    """Raises MicrographError where a file is too small for any picture of this size."""
    size = os.fstat(handle.fileno()).st_size
    if width * height > MOST_PIXELS_A_BYTE * size:
        raise MicrographError(
            f"{name} is damaged: {size:,} bytes cannot hold the {width} x {height} pixels that it declares. Copy or "
            "upload it again."
        )


def _bytes_needed(width: int, height: int, depth: int, colour: int, _method, _filter, interlaced: int) -> int:
    """Bytes of the rows with their filter bytes. Raises KeyError for a colour type that does not exist."""
    bits = depth * _SAMPLES[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = ((-(-(width - left) // across), -(-(height - top) // down)) for left, top, across, down in passes)
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0)


def _unpacked_sizes(handle):
    """Bytes that each piece of the picture data unpacks to."""
    unpacker = zlib.decompressobj()
    while len(head := handle.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if kind != b"IDAT":
            handle.seek(size + 4, os.SEEK_CUR)
            continue
        while size > 0 and (packed := handle.read(min(size, _PIECE))):
            size -= len(packed)
            while packed and not unpacker.eof:
                yield len(unpacker.decompress(packed, _PIECE))
                packed = unpacker.unconsumed_tail
        handle.seek(4, os.SEEK_CUR)
