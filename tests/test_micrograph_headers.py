"""Units, tables, and headers that contradict what a file holds."""

import io
import struct

import numpy as np
import pytest
import tifffile
from cellstyle.micrograph.lengths import micrometres
from cellstyle.micrograph.load import Choices, load_micrograph

RNG = np.random.default_rng(23)
GRAY = RNG.integers(0, 65536, (24, 32)).astype(np.uint16)
RAMP, NONE = np.arange(256, dtype=np.uint8), np.zeros(256, np.uint8)


def load(path, **choices):
    return load_micrograph(path, path.name, Choices(**{"contrast": "full range", **choices}))


def written(tmp_path, array, name="h.tif", **options):
    tifffile.imwrite(tmp_path / name, array, **options)
    return tmp_path / name


@pytest.mark.parametrize(
    ("units", "size"),
    [
        (("m", "meter", "metres", "Metre"), 1e6),
        (("cm", "centimeter", "CM"), 1e4),
        (("mm", "millimetres", "Millimeter", " mm "), 1e3),
        (("µm", "μm", "um", "UM", "micron", "Microns", "micrometre", "micrometers", "\\u00B5m", "\\u03bcm", "Âµm",
          "\ufffdm", "µ", "µm\0"), 1.0),
        (("nm", "nanometer", "Nanometres"), 1e-3),
        (("pm", "picometer"), 1e-6),
        (("Å", "\u212b", "\\u00C5", "A", "angstrom", "Ångström"), 1e-4),
        (("km", "kilometer"), 1e9),
        (("inch", "in", "inches", '"'), 25400.0),
        (("pixel", "px", "", "sec", "reference frame", "parsec", "meterm"), None),
    ],
)  # fmt: skip
def test_every_spelling_of_a_unit(units, size):
    for unit in units:
        assert micrometres(2, unit) == (pytest.approx(2 * size) if size else None), unit


@pytest.mark.parametrize("value", [0, -1, "nan", "inf", None, "x", 1e308])
def test_lengths_that_make_no_sense_are_none(value):
    assert micrometres(value, "m") is None


@pytest.mark.parametrize(
    ("unit", "resolution", "kind", "size"),
    [
        ("um", 1e4 / 0.325, 3, 0.325),  # Micro-Manager
        ("um", 5, 1, 0.2),
        ("um", 5, 2, 0.2),  # a unit that nobody set
        ("um", 72, 2, 0),  # print
        ("inch", 72, 2, 0),
        ("inch", 25400, 2, 1.0),
        ("cm", 28.3465, 3, 0),
        ("cm", 20000, 3, 0.5),
        ("mm", 10, 1, 100.0),
        ("pixel", 5, 1, 0),
    ],
)
def test_imagejs_unit_beside_that_of_the_resolution_tag(tmp_path, unit, resolution, kind, size):
    options = {"metadata": {"unit": unit}, "resolution": (resolution, resolution), "resolutionunit": kind}
    assert load(written(tmp_path, GRAY, imagej=True, **options)).pixel_size == pytest.approx(size, rel=1e-3)


def test_what_electron_microscopes_write(tmp_path):
    fei = b"[Scan]\r\nPixelWidth=2.5e-009\r\nPixelHeight=5e-009\r\n\0"
    path = written(tmp_path, GRAY, resolution=(72, 72), metadata=None, extratags=[(34682, 2, len(fei), fei, True)])
    size = load(path).metadata["original"]["pixel_size"]
    assert (size["x"], size["y"], size["source"]) == (pytest.approx(0.0025), pytest.approx(0.005), "FEI PixelWidth")
    for text, want in (
        (b"0\r\n0\r\n0\r\n2.8e-9\r\n", 0.0028),
        (b"0\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 31.2 nm\r\n", 0.0312),
    ):
        tag = (34118, 2, len(text), text, True)
        path = written(tmp_path, GRAY, resolution=(72, 72), metadata=None, extratags=[tag])
        assert load(path).pixel_size == pytest.approx(want)


def test_one_table_without_a_list_and_an_inverting_one(tmp_path):
    stack = np.stack([GRAY] * 3)
    one = {"axes": "ZYX", "LUTs": [np.stack([NONE, RAMP, NONE])]}
    path = written(tmp_path, stack, imagej=True, metadata=one)
    assert load(path).images[0, ..., 0].max() > 0.9  # alone it is gray
    np.testing.assert_allclose(load(path, pseudo_colour="own").images[0, ..., 0], 0)
    two = np.stack([np.full((24, 32), 200, np.uint8), np.full((24, 32), 255, np.uint8)])
    two[1, 8:16] = 40
    tables = [np.stack([NONE, RAMP, NONE]), np.stack([RAMP[::-1]] * 3)]
    path = written(tmp_path, two, imagej=True, metadata={"axes": "CYX", "mode": "composite", "LUTs": tables})
    shown = load(path).images[0]
    np.testing.assert_allclose(shown[12, 0], [215 / 255, 1, 215 / 255], atol=1e-3)
    np.testing.assert_allclose(shown[0, 0], [0, 200 / 255, 0], atol=1e-3)


def test_channels_named_red_green_and_blue_are_a_colour_picture(tmp_path):
    array = RNG.integers(0, 256, (3, 24, 32)).astype(np.uint8)
    for names in (["Red", "Green", "Blue"], ["R", "G", "B"]):
        path = written(tmp_path, array, "c.ome.tif", ome=True, photometric="minisblack",
                       metadata={"axes": "CYX", "Channel": {"Name": names}})  # fmt: skip
        np.testing.assert_allclose(load(path).images[0], np.moveaxis(array, 0, -1) / 255, atol=1e-6)


def test_values_beyond_the_declared_bits_are_not_cut(tmp_path):
    path = written(tmp_path, GRAY, "b.ome.tif", ome=True, metadata={"axes": "YX", "SignificantBits": 8})
    loaded = load(path)
    np.testing.assert_allclose(loaded.images[0, ..., 0], GRAY / 65535, atol=1e-6)
    assert "beyond the 8 bits" in " ".join(loaded.metadata["notes"])


@pytest.mark.parametrize("index", [1, 2, 3])
def test_a_stack_that_is_cut_off_says_so_whichever_plane_is_asked(tmp_path, index):
    stack = np.stack([GRAY] * 3)
    for kind in ({"imagej": True}, {}, {"ome": True}):
        path = written(tmp_path, stack, "s.tif", metadata={"axes": "ZYX"}, contiguous=True, **kind)
        data = path.read_bytes()
        with tifffile.TiffFile(path) as tif:
            end = tif.series[0].dataoffset + tif.series[0].nbytes
        path.write_bytes(data[: end - 100])
        try:
            said = " ".join(load(path, z="single", z_index=index).metadata["notes"])
        except ValueError as error:
            said = str(error)
        assert "is cut off" in said, kind


def test_pages_whose_list_is_cut_off_are_told_and_later_ones_refused(tmp_path):
    path = written(tmp_path, np.stack([GRAY] * 4), photometric="minisblack", metadata=None)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        second = tif.pages[1]
        struct.pack_into("<I", data, second.offset + 2 + 12 * len(second.tags), len(data) + 9)
    path.write_bytes(data)
    assert "cut off" in " ".join(load(path).metadata["notes"])
    with pytest.raises(ValueError, match="is cut off"):
        load(path, z="single", z_index=4)


def sparse(path, zero):
    """Makes the first tile empty, or its byte count alone."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        for name in zero:
            entry = tif.pages[0].tags[name]
            kind = {3: "H", 4: "I"}[int(entry.dtype)]
            struct.pack_into("<" + kind, data, entry.valueoffset, 0)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_an_empty_tile_is_black_and_a_tile_without_bytes_is_damage(tmp_path, compression):
    big = np.tile(GRAY, (4, 4))
    path = written(tmp_path, big, tile=(48, 64), metadata=None, compression=compression)
    loaded = load(sparse(path, ("TileOffsets", "TileByteCounts")))
    want = big / 65535
    want[:48, :64] = 0
    np.testing.assert_allclose(loaded.images[0, ..., 0], want, atol=1e-6)
    assert "empty" in " ".join(loaded.metadata["notes"])
    path = written(tmp_path, big, tile=(48, 64), metadata=None, compression=compression)
    with pytest.raises(ValueError, match="damaged"):
        load(sparse(path, ("TileByteCounts",)))


def test_a_picture_comes_before_its_thumbnail(tmp_path):
    small = np.zeros((8, 8, 3), np.uint8)
    for inside in (0, 1):
        with tifffile.TiffWriter(tmp_path / "t.tif") as tif:
            tif.write(small, photometric="rgb", subfiletype=1, subifds=inside, metadata=None)
            tif.write(GRAY, photometric="minisblack", subfiletype=0, metadata=None)
        loaded = load(tmp_path / "t.tif")
        np.testing.assert_allclose(loaded.images[0, ..., 0], GRAY / 65535, atol=1e-6)
        assert "thumbnail" in " ".join(loaded.metadata["notes"])


def test_a_time_series_says_its_order_and_interval(tmp_path):
    for kind, about in (("imagej", {"finterval": 2.5}), ("ome", {"TimeIncrement": 2500, "TimeIncrementUnit": "ms"})):
        options = {kind: True, "metadata": {"axes": "TYX", **about}}
        loaded = load(written(tmp_path, np.stack([GRAY] * 3), "t.ome.tif", **options), time="frames", time_index=2)
        assert loaded.metadata["interval_s"] == pytest.approx(2.5)
        assert [frame["time"] for frame in loaded.metadata["frames"]] == [2, 3]
