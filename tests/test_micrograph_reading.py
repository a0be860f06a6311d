"""Every kind of file comes out as the numbers that went in."""

import io
import json

import numpy as np
import pytest
import tifffile
from cellstyle.micrograph.load import Choices, load_micrograph
from PIL import Image

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 65536, (3, 4, 2, 33, 47)).astype(np.uint16)  # time, z, channel, y, x
RGB = RNG.integers(0, 256, (33, 47, 3)).astype(np.uint8)
AS_STORED = Choices(contrast="full range")


def load(path, **choices):
    return load_micrograph(path, path.name, Choices(**{"contrast": "full range", **choices}))


def gray(loaded):
    assert loaded.images.dtype == np.float32 and loaded.images.shape[-1] == 3
    assert np.array_equal(loaded.images[..., 0], loaded.images[..., 2])
    return loaded.images[..., 0]


def write(tmp_path, array, name="picture.tif", **options):
    tifffile.imwrite(tmp_path / name, array, **options)
    return tmp_path / name


@pytest.mark.parametrize("kind", ["ome", "imagej"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_channel_depth_and_time_of_a_hyperstack_are_the_ones_asked_for(tmp_path, kind, byteorder):
    options = {"ome": {"ome": True}, "imagej": {"imagej": True}}[kind]
    if kind == "imagej" and byteorder == "<":
        pytest.skip("ImageJ files are big-endian")
    path = write(tmp_path, STACK, "s.ome.tif", metadata={"axes": "TZCYX"}, byteorder=byteorder, **options)
    loaded = load(path, channels="2", z="single", z_index=3, time_index=2)
    np.testing.assert_allclose(gray(loaded)[0], STACK[1, 2, 1] / 65535, atol=1e-6)
    assert loaded.metadata["original"]["depths"] == 4 and loaded.metadata["original"]["times"] == 3


@pytest.mark.parametrize(("mode", "fold"), [("max", np.max), ("mean", np.mean), ("min", np.min)])
def test_a_projection_is_numpys_over_the_same_axis(tmp_path, mode, fold):
    path = write(tmp_path, STACK, metadata={"axes": "TZCYX"}, ome=True)
    along_z = load(path, channels="1", z=mode, time_index=3)
    np.testing.assert_allclose(gray(along_z)[0], fold(STACK[2, :, 0], axis=0) / 65535, atol=1e-6)
    along_time = load(path, channels="1", z="single", z_index=1, time=mode)
    np.testing.assert_allclose(gray(along_time)[0], fold(STACK[:, 0, 0], axis=0) / 65535, atol=1e-6)
    both = load(path, channels="1", z="max", time=mode)
    np.testing.assert_allclose(gray(both)[0], fold(STACK[:, :, 0].max(1), axis=0) / 65535, atol=1e-6)


def test_frames_are_a_batch_with_time_outside_and_z_inside(tmp_path):
    path = write(tmp_path, STACK, metadata={"axes": "TZCYX"}, ome=True)
    np.testing.assert_allclose(
        gray(load(path, channels="2", z="frames", time="frames")), STACK[:, :, 1].reshape(12, 33, 47) / 65535, atol=1e-6
    )
    later = load(path, channels="2", z="single", z_index=1, time="frames", time_index=2, max_frames=1)
    np.testing.assert_allclose(gray(later), STACK[1:2, 0, 1] / 65535, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True},
        {"compression": "lzma"},
        {"tile": (16, 32)},
        {"tile": (16, 16), "compression": "zlib", "predictor": True},
        {"rowsperstrip": 5},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"byteorder": ">", "compression": "zlib"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int16", "float32", "float64"])
def test_every_sample_type_in_every_layout_is_read_exactly(tmp_path, dtype, options):
    array = (RNG.random((3, 33, 47)) * 200).astype(dtype)
    if np.dtype(dtype).kind == "f":
        array /= 200
    path = write(tmp_path, array, metadata={"axes": "CYX"}, photometric="minisblack", **options)
    low, high = (0, 1) if np.dtype(dtype).kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    want = (array[1].astype(np.float64) - low) / (high - low)
    np.testing.assert_allclose(gray(load(path, channels="2"))[0], want, atol=1e-6)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colour_is_the_same_planar_or_interleaved(tmp_path, planar, dtype):
    array = RGB.astype(dtype)
    stored = array.transpose(2, 0, 1) if planar else array
    path = write(tmp_path, stored, photometric="rgb", planarconfig="separate" if planar else "contig")
    np.testing.assert_allclose(load(path).images[0], array / np.iinfo(dtype).max, atol=1e-6)
    only_green = load(path, channels="green")
    np.testing.assert_allclose(gray(only_green)[0], array[..., 1] / np.iinfo(dtype).max, atol=1e-6)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "F"])
def test_compressed_files_of_other_writers_need_no_further_package(tmp_path, mode, compression):
    if compression == "jpeg" and mode not in ("L", "RGB"):
        pytest.skip("JPEG holds 8 bits")
    array = {"L": RGB[..., 0], "RGB": RGB, "I;16": STACK[0, 0, 0], "F": RNG.random((33, 47)).astype(np.float32)}[mode]
    path = tmp_path / "p.tif"
    Image.fromarray(array).save(path, compression=compression)
    if compression == "jpeg":
        array = np.asarray(Image.open(path))
    want = array / (1 if mode == "F" else np.iinfo(array.dtype).max)
    got = load(path).images[0] if mode == "RGB" else gray(load(path))[0]
    np.testing.assert_allclose(got, want, atol=1e-6)


def lzw_segment(array):
    """One strip or tile of 16-bit samples as LZW bytes, cut out of a TIFF of Pillow's."""
    raw = array.astype("<u2").view(np.uint8).reshape(array.shape[0], -1)
    file = io.BytesIO()
    Image.fromarray(raw).save(file, "TIFF", compression="tiff_lzw", tiffinfo={278: array.shape[0]})
    file.seek(0)
    with tifffile.TiffFile(file) as tif:
        page = tif.pages[0]
        assert len(page.dataoffsets) == 1
        return file.getvalue()[page.dataoffsets[0] : page.dataoffsets[0] + page.databytecounts[0]]


@pytest.mark.parametrize("predictor", [1, 2])
def test_lzw_tiles_of_several_channels_are_put_together(tmp_path, predictor):
    array = STACK[0, 0]
    tiles = []
    for plane in array:
        padded = np.pad(plane, ((0, 48 - 33), (0, 48 - 47)))
        for top in range(0, 48, 16):
            for left in range(0, 48, 16):
                tile = padded[top : top + 16, left : left + 16]
                if predictor == 2:
                    tile = np.diff(tile, axis=1, prepend=np.uint16(0)).astype(np.uint16)
                tiles.append(lzw_segment(tile))
    path = tmp_path / "tiles.tif"
    # tifffile takes encoded tiles, but not under the name of LZW without imagecodecs: the name is put in afterwards
    with tifffile.TiffWriter(path, byteorder="<") as tif:
        tif.write(
            iter(tiles), shape=array.shape, dtype=array.dtype, tile=(16, 16), compression="zlib",
            predictor=predictor == 2, photometric="minisblack", metadata={"axes": "CYX"},
        )  # fmt: skip
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for page in tif.pages:
            page.tags["Compression"].overwrite(5)
    for channel in (1, 2):
        got = gray(load(path, channels=str(channel)))[0]
        np.testing.assert_allclose(got, array[channel - 1] / 65535, atol=1e-6)


def test_a_12_bit_camera_fills_the_full_range(tmp_path):
    array = np.array([[0, 4095]], np.uint16).repeat(8, 0)
    path = write(tmp_path, array, "c.ome.tif", ome=True, metadata={"axes": "YX", "SignificantBits": 12})
    assert gray(load(path)).max() == 1.0


def test_min_is_white_and_palettes_are_honoured(tmp_path):
    path = write(tmp_path, RGB[..., 0], photometric="miniswhite")
    np.testing.assert_allclose(gray(load(path))[0], 1 - RGB[..., 0] / 255, atol=1e-6)
    table = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)
    path = write(tmp_path, RGB[..., 0], photometric="palette", colormap=table)
    want = np.moveaxis(table[:, RGB[..., 0]], 0, -1) / 65535
    np.testing.assert_allclose(load(path).images[0], want, atol=1e-6)


def test_a_pyramid_gives_the_level_asked_for_and_its_pixel_size(tmp_path):
    big = RNG.integers(0, 256, (64, 96)).astype(np.uint8)
    path = tmp_path / "pyramid.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(big, subifds=1, metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"})
        tif.write(big[::2, ::2], subfiletype=1)
    loaded = load(path, pyramid_level=1)
    np.testing.assert_allclose(gray(loaded)[0], big[::2, ::2] / 255, atol=1e-6)
    assert loaded.pixel_size == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"no pyramid_level 2.*0: 96 x 64, 1: 48 x 32"):
        load(path, pyramid_level=2)


def test_a_plain_stack_is_what_stack_axis_says(tmp_path):
    path = write(tmp_path, STACK[0, :3, 0], photometric="minisblack")
    assert load(path, z="frames").images.shape == (3, 33, 47, 3)
    assert load(path, stack_axis="time", time="frames").images.shape == (3, 33, 47, 3)
    three = load(path, stack_axis="channel", pseudo_colour="red,green,blue")
    np.testing.assert_allclose(three.images[0], np.moveaxis(STACK[0, :3, 0], 0, -1) / 65535, atol=1e-6)


def test_series_are_counted_from_one(tmp_path):
    path = tmp_path / "two.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(RGB[..., 0], metadata=None)
        tif.write(RGB[:20, :20, 1], metadata=None)
    np.testing.assert_allclose(gray(load(path, series=2))[0], RGB[:20, :20, 1] / 255, atol=1e-6)
    with pytest.raises(ValueError, match="has 2 series, 3 was asked for"):
        load(path, series=3)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 325, "PhysicalSizeXUnit": "nm"}}, 0.325),
        ({"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 0.2}}, 0.2),
        ({"imagej": True, "metadata": {"unit": "um"}, "resolution": (5, 5)}, 0.2),
        ({"imagej": True, "metadata": {"unit": "\\u00B5m"}, "resolution": (5, 5)}, 0.2),
        ({"imagej": True, "metadata": {"unit": "pixel"}, "resolution": (5, 5)}, 0.0),
        ({"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}, 0.5),
        ({"resolution": (25400, 25400), "resolutionunit": "INCH"}, 1.0),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, 0.0),
        ({}, 0.0),
    ],
    ids=str,
)
def test_the_pixel_size_is_read_from_whatever_carries_it(tmp_path, options, size):
    path = write(tmp_path, STACK[0, 0, 0], "p.ome.tif" if "ome" in options else "p.tif", **options)
    assert load(path).pixel_size == pytest.approx(size)
    half = load(path, size="resize", longest_side=94)  # twice the file's 47
    assert half.pixel_size == pytest.approx(size / 2)
    assert json.loads(json.dumps(half.metadata))["pixel_size_um"] == (pytest.approx(size / 2) if size else None)


def test_channel_names_and_colours_come_from_the_file(tmp_path):
    channel = {"Name": ["DAPI", "GFP"], "Color": [0x0000FFFF, 0x00FF00FF]}
    path = write(tmp_path, STACK[0, 0], "c.ome.tif", ome=True, metadata={"axes": "CYX", "Channel": channel})
    loaded = load(path, pseudo_colour="own")
    assert [c["colour"] for c in loaded.metadata["shown"]["channels"]] == ["#0000ff", "#00ff00"]
    np.testing.assert_allclose(loaded.images[0, ..., 2], STACK[0, 0, 0] / 65535, atol=1e-6)
    np.testing.assert_allclose(gray(load(path, channels="gfp"))[0], STACK[0, 0, 1] / 65535, atol=1e-6)


def test_values_that_are_not_finite_are_black_and_noted(tmp_path):
    array = RNG.random((20, 30)).astype(np.float32)
    array[3, 4], array[5, 6] = np.nan, np.inf
    loaded = load(write(tmp_path, array), contrast="percentile")
    assert loaded.images[0, 3, 4, 0] == 0 and loaded.images[0, 5, 6, 0] == 0
    assert np.isfinite(loaded.images).all()
    assert "2 samples" in " ".join(loaded.metadata["notes"])
    with pytest.raises(ValueError, match="no finite value"):
        load(write(tmp_path, np.full((20, 30), np.nan, np.float32)), contrast="percentile")


def test_only_the_planes_needed_are_read(tmp_path, monkeypatch):
    from cellstyle.micrograph.tiff_planes import TiffPlanes

    read = []
    whole = TiffPlanes._page
    monkeypatch.setattr(TiffPlanes, "_page", lambda self, n: read.append(n) or whole(self, n))
    path = write(tmp_path, STACK, metadata={"axes": "TZCYX"}, ome=True)
    load(path, channels="2", z="single", z_index=2, time_index=3)
    assert read == [2 * 8 + 1 * 2 + 1]
