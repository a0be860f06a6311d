"""Pictures whose data end early under a header that says nothing of it: refused, not filled with black."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from cellstyle.micrograph.load import Choices, load_micrograph
from PIL import Image
from sound_pictures import png_of

RNG = np.random.default_rng(3)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
KINDS = {  # depth, colour type, samples
    "bilevel": (1, 0, 1),
    "gray": (8, 0, 1),
    "gray 16": (16, 0, 1),
    "colour": (8, 2, 3),
    "colour 16": (16, 2, 3),
    "palette": (4, 3, 1),
    "gray and alpha": (8, 4, 2),
    "colour and alpha 16": (16, 6, 4),
}


def rows_of(pixels: np.ndarray, depth: int) -> bytes:
    """Rows as a PNG packs them, each with filter 0."""
    height = len(pixels)
    if depth >= 8:
        packed = pixels.reshape(height, -1).astype(">u2" if depth == 16 else "u1").view(np.uint8)
    else:
        bits = np.unpackbits(pixels.reshape(height, -1, 1).astype(np.uint8), axis=2)[..., -depth:]
        packed = np.packbits(bits.reshape(height, -1), axis=1)
    return b"".join(b"\0" + row.tobytes() for row in packed)


def png(kind: str, width: int, height: int, interlaced: bool, share: float = 1.0) -> tuple[bytes, np.ndarray]:
    """A PNG that holds a share of its data, and its samples (height, width, samples)."""
    depth, colour, samples = KINDS[kind]
    pixels = RNG.integers(0, 2**depth, (height, width, samples))
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    parts = [pixels[top::down, left::across] for left, top, across, down in passes]
    data = b"".join(rows_of(part, depth) for part in parts if part.size)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    packed = zlib.compress(data[: int(len(data) * share)])
    palette = [(b"PLTE", bytes(range(48)))] if colour == 3 else []
    idat = [(b"IDAT", packed[i : i + 500]) for i in range(0, len(packed), 500)]
    return png_of([(b"IHDR", head), *palette, *idat, (b"IEND", b"")]), pixels


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 2), (9, 5), (40, 33)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_png_is_read(tmp_path, kind, width, height, interlaced):
    data, pixels = png(kind, width, height, interlaced)
    (tmp_path / "whole.png").write_bytes(data)
    loaded = load_micrograph(tmp_path / "whole.png", "whole.png", Choices(contrast="full range"))
    assert loaded.images.shape == (1, height, width, 3)
    depth, colour, _ = KINDS[kind]
    if colour in (0, 4):
        np.testing.assert_allclose(loaded.images[0, ..., 0], pixels[..., 0] / (2**depth - 1), atol=1e-6)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_a_png_whose_data_end_early_is_refused(tmp_path, kind, share, interlaced):
    (tmp_path / "short.png").write_bytes(png(kind, 40, 33, interlaced, share)[0])
    with pytest.raises(ValueError, match=r"short\.png is damaged: it holds [\d,]+ of the [\d,]+ bytes"):
        load_micrograph(tmp_path / "short.png", "short.png")


def test_a_png_without_picture_data_is_refused_before_memory_is_taken(tmp_path):
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    (tmp_path / "none.png").write_bytes(png_of([(b"IHDR", head), (b"IEND", b"")]))
    started = time.process_time()
    with pytest.raises(ValueError, match=r"none\.png .*damaged"):
        load_micrograph(tmp_path / "none.png", "none.png")
    assert time.process_time() - started < 1


def test_a_jpeg_that_is_too_small_for_its_size_is_refused(tmp_path):
    file = io.BytesIO()
    Image.new("L", (64, 64), 128).save(file, "JPEG")
    data = bytearray(file.getvalue())
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, 20_000, 20_000)
    (tmp_path / "small.jpg").write_bytes(data)
    with pytest.raises(ValueError, match=r"bytes cannot hold the 20000 x 20000 pixels"):
        load_micrograph(tmp_path / "small.jpg", "small.jpg")


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"optimize": True, "progressive": True, "quality": 1}], ids=str
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_emptiest_jpeg_is_large_enough(tmp_path, mode, options):
    Image.new(mode, (4000, 3000)).save(tmp_path / "empty.jpg", **options)
    loaded = load_micrograph(tmp_path / "empty.jpg", "empty.jpg")
    assert loaded.images.shape == (1, 3000, 4000, 3) and loaded.images.max() < 0.01
