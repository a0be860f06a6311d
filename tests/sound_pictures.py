"""A small sound file of every kind that the micrograph loader reads."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

RNG = np.random.default_rng(4)
GRAY16 = RNG.integers(0, 65536, (24, 32)).astype(np.uint16)
GRAY8 = (GRAY16 >> 8).astype(np.uint8)
RGB8 = RNG.integers(0, 256, (24, 32, 3)).astype(np.uint8)
STACK = RNG.integers(0, 65536, (2, 3, 2, 8, 12)).astype(np.uint16)  # time, z, channel, y, x


def _tiff(array, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def _pillow(array, kind: str, mode: str | None = None, **options) -> bytes:
    picture = Image.fromarray(array)
    file = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(file, kind, **options)
    return file.getvalue()


def _pyramid() -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tif:
        tif.write(RGB8, photometric="rgb", tile=(16, 16), subifds=1)
        tif.write(RGB8[::2, ::2], photometric="rgb", tile=(16, 16), subfiletype=1)
    return file.getvalue()


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of (name, content) chunks, with right lengths and checksums."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _sixteen_bit_colour() -> bytes:
    rows = RNG.integers(0, 65536, (24, 32 * 3)).astype(">u2")
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return png_of([(b"IHDR", struct.pack(">IIBBBBB", 32, 24, 16, 2, 0, 0, 0)), (b"IDAT", packed), (b"IEND", b"")])


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    return exif


def sound_pictures() -> dict[str, bytes]:
    """Each below 10 kB; the names end in what the file is."""
    palette = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)
    made = {
        "gray.tif": _tiff(GRAY8, photometric="minisblack"),
        "sixteen.tif": _tiff(GRAY16, photometric="minisblack", resolution=(2.0, 2.0), resolutionunit=3),
        "real.tif": _tiff(GRAY16.astype(np.float32), photometric="minisblack", byteorder=">"),
        "white.tif": _tiff(GRAY16, photometric="miniswhite"),
        "bilevel.tif": _tiff(GRAY8 > 99, photometric="minisblack"),
        "palette.tif": _tiff(GRAY8, photometric="palette", colormap=palette),
        "rgb.tif": _tiff(RGB8, photometric="rgb", compression="zlib", predictor=True),
        "planar.tif": _tiff(RGB8.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"),
        "tiled.tif": _tiff(GRAY16, photometric="minisblack", tile=(16, 16), compression="zlib"),
        "packed.tif": _pillow(GRAY8, "TIFF", compression="packbits"),
        "lzma.tif": _tiff(GRAY8, photometric="minisblack", compression="lzma"),
        "big.tif": _tiff(GRAY16, photometric="minisblack", bigtiff=True, rowsperstrip=5),
        "stack.tif": _tiff(STACK[0, :, 0], photometric="minisblack", metadata={"axes": "ZYX"}),
        "plain_pages.tif": _tiff(STACK[0, :, 0], photometric="minisblack", metadata=None),
        "ome.tif": _tiff(STACK, photometric="minisblack", ome=True, metadata={"axes": "TZCYX"}),
        "imagej.tif": _tiff(STACK, imagej=True, metadata={"axes": "TZCYX"}),
        "pyramid.tif": _pyramid(),
        "lzw.tif": _pillow(GRAY8, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": _pillow(RGB8, "TIFF", compression="jpeg"),
        "gray.png": _pillow(GRAY8, "PNG", dpi=(300, 300)),
        "sixteen.png": _pillow(GRAY16, "PNG"),
        "rgb.png": _pillow(RGB8, "PNG"),
        "alpha.png": _pillow(RGB8, "PNG", "RGBA"),
        "palette.png": _pillow(RGB8, "PNG", "P", transparency=3),
        "bilevel.png": _pillow(GRAY8, "PNG", "1"),
        "sixteen_rgb.png": _sixteen_bit_colour(),
        "gray.jpg": _pillow(GRAY8, "JPEG", dpi=(72, 72)),
        "rgb.jpg": _pillow(RGB8, "JPEG", exif=_exif()),
        "progressive.jpg": _pillow(RGB8, "JPEG", progressive=True),
        "cmyk.jpg": _pillow(RGB8, "JPEG", "CMYK"),
    }
    return made
