"""What microscopes and their programs write, by kind: colour spaces, depths, layouts, turning, opacity, codecs.

Each comes out as another reader (Pillow, LittleCMS, tifffile) gives it, or is refused in words.
"""

import itertools
import struct

import numpy as np
import pytest
import tifffile
from cellstyle.micrograph.load import Choices, load_micrograph
from PIL import Image, ImageCms, ImageOps

RNG = np.random.default_rng(11)
GRAY = RNG.integers(0, 65536, (24, 36)).astype(np.uint16)
LAYOUTS = [{}, {"tile": (16, 16)}, {"rowsperstrip": 5, "compression": "lzw"}, {"tile": (16, 32), "compression": "zstd"}]
RAMP, NONE = np.arange(256, dtype=np.uint8), np.zeros(256, np.uint8)
SRGB = ImageCms.createProfile("sRGB")


def load(path, **choices):
    return load_micrograph(path, path.name, Choices(**{"contrast": "full range", **choices}))


def written(tmp_path, array, name="k.tif", **options):
    tifffile.imwrite(tmp_path / name, array, **{"metadata": None, **options})
    return tmp_path / name


def as_rgb(space, array):
    """(height, width, 3) in 0..1 by Pillow and LittleCMS, of 8-bit samples."""
    if space == "RGB":
        return array / 255
    picture = Image.frombytes({"CIELAB": "LAB"}.get(space, space), array.shape[1::-1], array.tobytes())
    if space == "CIELAB":
        return (
            np.asarray(ImageCms.profileToProfile(picture, ImageCms.createProfile("LAB"), SRGB, outputMode="RGB")) / 255
        )
    return np.asarray(picture.convert("RGB")) / 255


@pytest.mark.parametrize("turned", [1, 6])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("space", "samples"), [("RGB", 3), ("CMYK", 4), ("YCbCr", 3), ("CIELAB", 3)])
def test_colour_spaces_in_every_depth_layout_and_turn(tmp_path, space, samples, bits, planar, turned):
    array = RNG.integers(60, 190, (24, 36, samples)).astype(np.uint8)
    if space == "CIELAB":  # within what sRGB can show
        array[..., 0] = RNG.integers(110, 200, (24, 36))
        array[..., 1:] = RNG.integers(-18, 18, (24, 36, 2)).astype(np.int8).view(np.uint8)
    want = as_rgb(space, array)
    stored = array
    if bits == 16:  # differences of colour have their middle at half of the range
        stored = array.astype(np.uint16) * (257 if space in ("RGB", "CMYK") else 256)
        stored[..., 0] = array[..., 0].astype(np.uint16) * 257
    near = (8 if space == "CIELAB" else 2.01) / 255  # LittleCMS goes through tables
    options = {"photometric": {"CMYK": "separated"}.get(space, space.lower())}
    tags = [(274, "H", 1, turned, True)]
    for layout in LAYOUTS:
        data = np.moveaxis(stored, -1, 0) if planar else stored
        path = written(
            tmp_path, data, planarconfig="separate" if planar else "contig", extratags=tags, **options, **layout
        )
        loaded = load(path).images[0]
        np.testing.assert_allclose(loaded, np.rot90(want, -1) if turned == 6 else want, atol=near)


@pytest.mark.parametrize("turned", range(1, 9))
def test_every_orientation_is_pillows_and_takes_the_pixel_size_along(tmp_path, turned):
    data = (GRAY >> 8).astype(np.uint8)
    options = {"resolution": (20000, 10000), "resolutionunit": "CENTIMETER"}
    path = written(tmp_path, data, photometric="minisblack", extratags=[(274, "H", 1, turned, True)], **options)
    loaded = load(path)
    exif = Image.Exif()
    exif[274] = turned
    picture = Image.fromarray(data)
    picture.info["exif"] = exif.tobytes()
    np.testing.assert_allclose(loaded.images[0, ..., 0] * 255, np.asarray(ImageOps.exif_transpose(picture)), atol=1e-4)
    assert loaded.pixel_size == pytest.approx(1.0 if turned >= 5 else 0.5)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_white_is_zero_by_the_bits_that_count(tmp_path, bits):
    values = (GRAY.astype(int) % 2**bits).astype(np.uint8 if bits <= 8 else np.uint16)
    path = written(tmp_path, values if bits > 1 else values > 0, photometric="miniswhite", bitspersample=bits)
    np.testing.assert_allclose(load(path).images[0, ..., 0], 1 - values / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32", "float64"])
def test_white_is_zero_in_signed_and_real_numbers(tmp_path, dtype):
    kind = np.dtype(dtype)
    values = RNG.random((8, 9)).astype(kind) if kind.kind == "f" else RNG.integers(-100, 100, (8, 9)).astype(kind)
    low, high = (0.0, 1.0) if kind.kind == "f" else (float(np.iinfo(kind).min), float(np.iinfo(kind).max))
    turned = 1 - values if kind.kind == "f" else -1.0 - values
    got = load(written(tmp_path, values, photometric="miniswhite")).images[0, ..., 0]
    np.testing.assert_allclose(got, (turned - low) / (high - low), atol=1e-6)


@pytest.mark.parametrize("eight_bit_table", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_every_depth(tmp_path, bits, eight_bit_table):
    table = RNG.integers(0, 256, (3, 2**bits)).astype(np.uint16) * (1 if eight_bit_table else 257)
    values = (GRAY % 2**bits).astype(np.uint8)
    tags = [(320, "H", table.size, tuple(int(v) for v in table.ravel()), True)]
    path = written(tmp_path, values if bits > 1 else values > 0, photometric="minisblack", bitspersample=bits,
                   extratags=tags)  # fmt: skip
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags["PhotometricInterpretation"].overwrite(3)
    want = np.moveaxis(table[:, values], 0, -1) / (255 if eight_bit_table else 65535)
    np.testing.assert_allclose(load(path).images[0], want, atol=1e-6)


@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("samples", [2, 4])
def test_opacity_is_a_mask_and_comes_out_of_colours_that_it_was_multiplied_into(tmp_path, samples, dtype, kind):
    top = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    opacity = np.linspace(0, 1, 36)[None].repeat(24, 0)
    colours = RNG.random((24, 36, samples - 1))
    stored = np.dstack([*(np.moveaxis(colours * (opacity[..., None] if kind == "assocalpha" else 1), -1, 0)), opacity])
    stored = (stored * top).round(0 if top > 1 else 9).astype(dtype)
    photometric = "rgb" if samples == 4 else "minisblack"
    loaded = load(written(tmp_path, stored, photometric=photometric, planarconfig="contig", extrasamples=[kind]))
    clear = opacity > 0.2
    got = loaded.images[0][..., : samples - 1]
    np.testing.assert_allclose(got[clear], colours[clear], atol=(8 if top == 255 else 0.1) / min(top, 255))
    np.testing.assert_allclose(loaded.valid[0], opacity, atol=1 / 250)


def test_samples_beside_the_colours_are_channels_and_never_a_colour(tmp_path):
    stored = RNG.integers(0, 256, (24, 36, 5)).astype(np.uint8)
    path = written(tmp_path, stored, photometric="rgb", extrasamples=["unspecified"] * 2)
    loaded = load(path)
    np.testing.assert_allclose(loaded.images[0], stored[..., :3] / 255, atol=1e-6)
    assert loaded.metadata["original"]["channels"][3:] == ["extra 1", "extra 2"]
    np.testing.assert_allclose(load(path, channels="extra 2").images[0, ..., 0], stored[..., 4] / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"photometric": 32803}, "kind CFA"),
        ({"photometric": "separated", "extratags": [(332, "H", 1, 2, True)]}, "inks other than"),
        ({"photometric": "ycbcr"}, "fewer samples of colour"),
        ({"photometric": "minisblack", "dtype": np.complex64}, "complex64 samples"),
    ],
    ids=str,
)
def test_what_would_be_a_guess_is_refused_in_words(tmp_path, options, words):
    samples = {"separated": 4, "ycbcr": 3}.get(options["photometric"], 1)
    array = np.zeros((16, 16, samples), options.get("dtype", np.uint8)).squeeze()
    path = written(tmp_path, array, **{"planarconfig": "contig", **options})
    if options["photometric"] == "ycbcr":
        with tifffile.TiffFile(path, mode="r+b") as tif:
            tif.pages[0].tags["YCbCrSubSampling"].overwrite((2, 2))
    with pytest.raises(ValueError, match=words):
        load(path)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(("subsampling", "photometric"), [((1, 1), "rgb"), ((2, 2), "rgb"), ((1, 1), "minisblack")])
def test_jpeg_within_tiff_is_tifffiles(tmp_path, planar, subsampling, photometric):
    smooth = np.asarray(
        Image.fromarray(RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8)).resize((96, 64), Image.BICUBIC)
    )
    data = np.moveaxis(smooth, -1, 0) if planar else smooth
    if photometric == "minisblack" or planar:
        path = written(tmp_path, data, photometric=photometric, planarconfig="separate" if planar else "contig",
                       tile=(32, 32), compression="jpeg", compressionargs={"level": 95})  # fmt: skip
    else:
        path = written(tmp_path, data, photometric=photometric, compression="jpeg", subsampling=subsampling,
                       compressionargs={"level": 95})  # fmt: skip
    colours = {"pseudo_colour": "red, green, blue", "channels": "1-3"} if photometric == "minisblack" else {}
    np.testing.assert_allclose(load(path, **colours).images[0], smooth / 255, atol=0.1)


@pytest.mark.parametrize("codec", ["lzw", "deflate", "packbits", "lzma", "zstd", "png", "webp", "jpeg2000"])
def test_every_codec_that_is_named_is_read(tmp_path, codec):
    rgb = RNG.integers(0, 256, (24, 36, 3)).astype(np.uint8)
    args = {"compressionargs": {"lossless": True}} if codec == "webp" else {}
    path = written(tmp_path, rgb, photometric="rgb", compression=codec, tile=(16, 16), **args)
    np.testing.assert_allclose(load(path).images[0], rgb / 255, atol=1e-6)


def test_predictors_bits_and_pillows_own_codecs(tmp_path):
    real = RNG.random((24, 36)).astype(np.float32)
    for compression, info in itertools.product(("tiff_lzw", "tiff_adobe_deflate"), ({}, {317: 3})):
        Image.fromarray(real).save(tmp_path / "f.tif", compression=compression, tiffinfo=info)
        np.testing.assert_array_equal(load(tmp_path / "f.tif").images[0, ..., 0], real)
    two = real > 0.5
    for compression in ("group3", "group4", "tiff_ccitt", "tiff_lzw", "packbits"):
        Image.fromarray(two).save(tmp_path / "b.tif", compression=compression)
        np.testing.assert_array_equal(load(tmp_path / "b.tif").images[0, ..., 0], two)


def test_a_jpeg_larger_than_its_tile_is_refused_before_it_is_unpacked(tmp_path):
    path = written(tmp_path, np.zeros((32, 32), np.uint8), photometric="minisblack", compression="jpeg", tile=(32, 32))
    data = bytearray(path.read_bytes())
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, 60000, 60000)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="holds one of 60000 x 60000"):
        load(path)
