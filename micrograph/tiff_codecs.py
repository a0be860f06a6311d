"""LZW and JPEG pages without imagecodecs: Pillow's libtiff, which every ComfyUI has, decodes them strip by strip.

tifffile reads plain, deflate, LZMA, PackBits and (from Python 3.14) Zstandard pages by itself and asks for the large
package imagecodecs for LZW and JPEG, which are the most common in microscopy. Each strip or tile is wrapped into a
TIFF of its own in memory, as rows of bytes, so every sample type works.
"""

from __future__ import annotations

import importlib.util
import io
import struct

import numpy as np
from PIL.TiffImagePlugin import TiffImageFile

LZW, JPEG = 5, 7


def read_page(page) -> np.ndarray:
    """The samples of a tifffile page or frame, of shape `page.keyframe.shape`.

    Raises: whatever tifffile, Pillow or numpy raise; ValueError for segments shorter than declared.
    """
    frame = page.keyframe
    if frame.compression in (LZW, JPEG) and importlib.util.find_spec("imagecodecs") is None:
        return _decode(page, frame).reshape(frame.shape)
    pixels = page.asarray()
    if pixels.shape != frame.shape:
        raise ValueError(f"decoded to {pixels.shape} instead of {frame.shape}")
    return pixels


def _decode(page, frame) -> np.ndarray:
    """(separate samples, height, width, interleaved samples)."""
    dtype = np.dtype(frame.dtype)
    if frame.bitspersample != dtype.itemsize * 8 or frame.fillorder != 1 or frame.imagedepth != 1:
        raise NotImplementedError(f"{frame.bitspersample}-bit samples in compressed pages require 'imagecodecs'")
    height, width = frame.imagelength, frame.imagewidth
    planes, samples = (1, frame.samplesperpixel) if frame.planarconfig == 1 else (frame.samplesperpixel, 1)
    if frame.is_tiled:
        rows, columns = frame.tilelength, frame.tilewidth
    else:
        rows, columns = min(frame.rowsperstrip, height), width
    across, down = -(-width // columns), -(-height // rows)
    if len(page.dataoffsets) < planes * across * down:
        raise ValueError(f"{len(page.dataoffsets)} segments instead of {planes * across * down}")
    tables = frame.jpegtables if frame.compression == JPEG else None
    pixels = np.zeros((planes, height, width, samples), dtype)
    for index in range(planes * across * down):
        plane, place = divmod(index, across * down)
        top, left = (place // across) * rows, (place % across) * columns
        size = page.databytecounts[index]
        if size == 0:  # a sparse segment
            continue
        length = rows if frame.is_tiled else min(rows, height - top)
        file = page.parent.filehandle
        file.seek(page.dataoffsets[index])
        data = file.read(size)
        if frame.compression == JPEG:
            part = _jpeg(data, columns, length, samples, frame, tables)
        else:
            part = _lzw(data, columns, length, samples, dtype.newbyteorder(page.parent.byteorder), frame.predictor)
        fit_rows, fit_columns = min(length, height - top), min(columns, width - left)
        pixels[plane, top : top + fit_rows, left : left + fit_columns] = part[:fit_rows, :fit_columns]
    return pixels


def _lzw(data: bytes, width: int, length: int, samples: int, dtype: np.dtype, predictor: int) -> np.ndarray:
    """(length, width, samples) of a strip or tile, in native byte order."""
    row = width * samples * dtype.itemsize
    raw = _libtiff(data, row, length, LZW, photometric=1, samples=1)
    if predictor == 3:  # TIFF Technical Note 3: byte planes, most significant first, differenced
        planes = np.add.accumulate(raw.reshape(length, -1, samples), axis=1, dtype=np.uint8)
        planes = planes.reshape(length, dtype.itemsize, width * samples).transpose(0, 2, 1)
        values = np.ascontiguousarray(planes).view(dtype.newbyteorder(">"))
        return values.reshape(length, width, samples).astype(dtype.newbyteorder("="))
    values = raw.reshape(length, -1).view(dtype).reshape(length, width, samples).astype(dtype.newbyteorder("="))
    if predictor == 2:  # horizontal differencing, modulo the sample's range
        unsigned = values.view(f"u{dtype.itemsize}")
        values = np.add.accumulate(unsigned, axis=1, dtype=unsigned.dtype).view(values.dtype)
    return values


def _jpeg(data: bytes, width: int, length: int, samples: int, frame, tables: bytes | None) -> np.ndarray:
    """(length, width, samples) uint8 of a baseline JPEG strip or tile; YCbCr comes out as RGB."""
    if frame.bitspersample != 8:
        raise NotImplementedError(f"{frame.bitspersample}-bit JPEG requires 'imagecodecs'")
    subsampling = getattr(frame.tags.get("YCbCrSubSampling"), "value", None)
    photometric = int(frame.photometric) if samples >= 3 else 1
    return _libtiff(data, width, length, JPEG, photometric, samples, tables, subsampling).reshape(
        length, width, samples
    )


def _libtiff(data, width, length, compression, photometric, samples, tables=None, subsampling=None) -> np.ndarray:
    """Decodes one segment as an 8-bit TIFF of one strip; (length, width[, samples]) uint8."""
    short, long, undefined = 3, 4, 7
    tags = [
        (256, long, [width]),
        (257, long, [length]),
        (258, short, [8] * samples),
        (259, short, [compression]),
        (262, short, [photometric]),
        (273, long, [0]),
        (277, short, [samples]),
        (278, long, [length]),
        (279, long, [len(data)]),
        (284, short, [1]),
    ]
    if samples == 4:
        tags.append((338, short, [2]))
    if tables:
        tags.append((347, undefined, tables))
    if subsampling and photometric == 6:
        tags.append((530, short, list(subsampling)))
    where, entries, tail = 8 + 2 + 12 * len(tags) + 4, b"", b""
    packed = {
        tag: bytes(v) if kind == undefined else struct.pack(f"<{len(v)}{'H' if kind == short else 'I'}", *v)
        for tag, kind, v in tags
    }
    start = where + sum(len(p) + len(p) % 2 for p in packed.values() if len(p) > 4)
    packed[273] = struct.pack("<I", start)
    for tag, kind, values in tags:
        value = packed[tag]
        if len(value) > 4:
            entries += struct.pack("<HHII", tag, kind, len(values), where + len(tail))
            tail += value + b"\0" * (len(value) % 2)
        else:
            entries += struct.pack("<HHI", tag, kind, len(values)) + value.ljust(4, b"\0")
    file = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + b"\0\0\0\0" + tail + data
    pixels = np.asarray(TiffImageFile(io.BytesIO(file)))
    if pixels.size != width * length * samples:
        raise ValueError(f"a segment decoded to {pixels.shape}")
    return np.ascontiguousarray(pixels)
