"""PNG of every mode and depth, and JPEG."""

import struct
import zlib

import numpy as np
import pytest
from cellstyle.micrograph.load import Choices, load_micrograph
from PIL import Image

RNG = np.random.default_rng(0)
GRAY16 = RNG.integers(0, 65536, (33, 47)).astype(np.uint16)
RGB = RNG.integers(0, 256, (33, 47, 3)).astype(np.uint8)


def load(path):
    return load_micrograph(path, path.name, Choices(contrast="full range"))


def png16(array):
    """A 16-bit PNG without filters."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[array.shape[2]]
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_16_bit_png_keeps_16_bits(tmp_path, samples):
    array = RNG.integers(0, 65536, (20, 30, samples)).astype(np.uint16)
    path = tmp_path / "p.png"
    path.write_bytes(png16(array))
    loaded = load(path)
    colours = array[..., :3] if samples >= 3 else np.repeat(array[..., :1], 3, 2)
    np.testing.assert_allclose(loaded.images[0], colours / 65535, atol=1e-6)
    if samples in (2, 4):
        np.testing.assert_allclose(loaded.valid[0], array[..., -1] / 65535, atol=1e-6)
    else:
        assert (loaded.valid == 1).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_of_every_mode_opens_as_pillow_shows_it(tmp_path, mode):
    image = Image.fromarray(GRAY16) if mode == "I;16" else Image.fromarray(RGB).convert(mode)
    path = tmp_path / "p.png"
    image.save(path)
    want = np.asarray(image) / 65535 if mode == "I;16" else np.asarray(image.convert("RGB")) / 255
    want = want if want.ndim == 3 else np.repeat(want[..., None], 3, 2)
    np.testing.assert_allclose(load(path).images[0], want, atol=1e-6)


def test_a_jpeg_is_turned_upright_and_read_by_content_not_by_name(tmp_path):
    path = tmp_path / "really_a_jpeg.tif"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(path, "JPEG", quality=95, exif=exif)
    loaded = load(path)
    assert loaded.images.shape == (1, 47, 33, 3)
    assert "turned upright" in " ".join(loaded.metadata["notes"])


def test_16_bit_gray_of_an_older_pillow_keeps_its_range(tmp_path, monkeypatch):
    """Before 11.3 Pillow opened these files as 32-bit numbers, whose range is not the file's."""
    from cellstyle.micrograph import pillow_reader

    path = tmp_path / "p.png"
    path.write_bytes(png16(GRAY16[..., None]))
    plain = pillow_reader._plain
    monkeypatch.setattr(pillow_reader, "_plain", lambda picture: plain(picture).convert("I"))
    np.testing.assert_allclose(load(path).images[0, ..., 0], GRAY16 / 65535, atol=1e-6)
