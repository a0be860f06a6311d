"""Before a TIFF page is decoded: its strips or tiles lie in the file and are as large as declared, packed or not."""

from __future__ import annotations

import io

import numpy as np
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from tifffile.tifffile import jpeg_shape

from .errors import MicrographError
from .limits import MAX_SAMPLES
from .tiff_samples import JPEGS

CODECS = {
    1: "no compression", 2: "CCITT RLE", 3: "CCITT fax 3", 4: "CCITT fax 4", 5: "LZW", 6: "JPEG", 7: "JPEG",
    8: "deflate", 32946: "deflate", 32773: "PackBits", 33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000",
    33007: "JPEG", 34712: "JPEG 2000", 34892: "JPEG", 34925: "LZMA", 34933: "PNG", 50000: "Zstandard", 50001: "WebP",
}  # fmt: skip
_PICTURES = {33003: Jpeg2KImageFile, 33004: Jpeg2KImageFile, 33005: Jpeg2KImageFile, 34712: Jpeg2KImageFile,
             34933: PngImageFile, 50001: WebPImageFile}  # fmt: skip


def check_codec(frame, name: str) -> None:
    """Raises MicrographError for a compression that is not read, and for tiles far larger than their picture."""
    if int(frame.compression) not in CODECS:
        called = getattr(frame.compression, "name", str(int(frame.compression)))
        raise MicrographError(
            f"{name} is compressed as {called}, which is not read. Save it again without compression, or with deflate."
        )
    if frame.is_tiled:
        area = frame.tilewidth * frame.tilelength * max(1, frame.tiledepth)
        if area * frame.samplesperpixel > MAX_SAMPLES or area > 4096 * max(4096, frame.size):
            raise MicrographError(
                f"{name} declares tiles of {frame.tilewidth} x {frame.tilelength} pixels. Its header is wrong: save it "
                "again with Fiji or Bio-Formats."
            )


def check_segments(page, frame, name: str, file_size: int) -> int:
    """Checks the strips or tiles of one page.

    Args:
        page, frame: a page of tifffile's, and its keyframe.
    Returns: how many hold nothing: no offset and no bytes (GDAL's sparse files).
    Raises: MicrographError; ValueError or struct.error for offsets and counts that make no sense.
    """
    offsets, counts = np.asarray(page.dataoffsets, np.int64), np.asarray(page.databytecounts, np.int64)
    if len(offsets) != len(counts) or not counts.any():
        raise ValueError("a page without data")
    if ((counts == 0) & (offsets > 0)).any() or (counts < 0).any() or (offsets < 0).any():
        raise ValueError("strips or tiles of no bytes")
    check_end(int((offsets + counts)[counts > 0].max()), name, file_size)
    if frame.compression == 1 and not frame.is_subsampled:
        _check_held(counts, frame, name)
    elif frame.jpegheader is None and (frame.compression in JPEGS or frame.compression in _PICTURES):
        for offset, count in zip(offsets.tolist(), counts.tolist(), strict=True):
            if count:
                page.parent.filehandle.seek(offset)
                _check_picture(page.parent.filehandle.read(count), frame, name)
    return int((counts == 0).sum())


def check_end(end: int, name: str, file_size: int) -> None:
    """Raises MicrographError where a file ends before `end`."""
    if end > file_size:
        raise MicrographError(
            f"{name} is cut off: it needs {end:,} bytes and has {file_size:,}. Copy or upload it again."
        )


def _check_held(counts: np.ndarray, frame, name: str) -> None:
    """Uncompressed segments hold as many bytes as their rows need."""
    bits = frame.bitspersample if isinstance(frame.bitspersample, int) else sum(frame.bitspersample)
    samples = frame.samplesperpixel if frame.planarconfig == 1 and isinstance(frame.bitspersample, int) else 1
    if frame.is_tiled:
        needed = np.full(len(counts), -(-frame.tilewidth * samples * bits // 8) * frame.tilelength * frame.tiledepth)
    else:
        a_plane = -(-frame.imagelength // frame.rowsperstrip)
        first = np.arange(len(counts)) % a_plane * frame.rowsperstrip
        rows = np.minimum(frame.rowsperstrip, frame.imagelength - first)
        needed = rows * -(-frame.imagewidth * samples * bits // 8)
    needed = needed * (counts > 0)
    held, wanted = int(counts.sum()), int(needed.sum())
    if held < wanted:
        raise MicrographError(
            f"{name} declares {frame.imagewidth} x {frame.imagelength} pixels, {wanted:,} bytes a page, but holds "
            f"{held:,}. Its header is wrong: save it again."
        )


def _check_picture(data: bytes, frame, name: str) -> None:
    """Raises MicrographError where the picture in a strip or tile declares a larger size: decoders trust it."""
    if frame.compression in JPEGS:
        height, width = jpeg_shape(data)[1:3]
    else:
        width, height = _PICTURES[int(frame.compression)](io.BytesIO(data)).size
    columns, rows = (frame.tilewidth, frame.tilelength) if frame.is_tiled else (frame.imagewidth, frame.rowsperstrip)
    if width > columns or height > max(rows, 1):
        raise MicrographError(
            f"{name} declares strips or tiles of {columns} x {rows} pixels and holds one of {width} x {height}. Its "
            "header is wrong: save it again."
        )
