"""Truncated, lying, enormous and hostile files get one sentence, before memory is taken."""

import io
import logging
import struct
import time
import tracemalloc

import numpy as np
import pytest
import tifffile
from cellstyle.micrograph.errors import MicrographError, in_one_sentence
from cellstyle.micrograph.limits import MAX_CHANNELS, MAX_XML
from cellstyle.micrograph.load import Choices, load_micrograph
from PIL import Image
from sound_pictures import sound_pictures

logging.getLogger("tifffile").setLevel(logging.CRITICAL)
RNG = np.random.default_rng(1)
PICTURE = RNG.integers(0, 65536, (64, 64)).astype(np.uint16)
SIXTEEN_BIT_COLOUR = sound_pictures()["sixteen_rgb.png"]


def tiff(array=PICTURE, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **{"photometric": "minisblack", **options})
    return bytearray(file.getvalue())


def patch(data, tag, value):
    """Overwrites the value of a LONG or SHORT tag of the first page."""
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        entry = tif.pages[0].tags[tag]
        kind = {3: "H", 4: "I", 16: "Q"}[int(entry.dtype)]
        struct.pack_into(tif.byteorder + kind, data, entry.valueoffset, value)
    return data


def refused(tmp_path, data, match, name="bad.tif", **choices):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ValueError, match=match) as caught:
        load_micrograph(path, name, Choices(**choices))
    text = str(caught.value)
    assert name in text and "\n" not in text and text.endswith(".")
    assert len(text) < 500
    return text


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"bigtiff": True}], ids=str)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_file_that_ends_early_is_refused(tmp_path, options, share):
    data = tiff(**options)
    refused(tmp_path, data[: int(len(data) * share)], "cut off|damaged")


def test_empty_and_foreign_files_are_named(tmp_path):
    refused(tmp_path, b"", "is empty")
    refused(tmp_path, b"\x7fELF" + bytes(100), "not a TIFF, PNG or JPEG")
    for magic, kind in ((b"GIF89a", "GIF"), (b"BM", "BMP"), (b"RIFF____WEBPVP8 ", "WebP")):
        refused(tmp_path, magic + bytes(100), f"{kind} picture, which ComfyUI's Load Image reads")
    refused(tmp_path, b"\xda\xce\xbe\x0a" + bytes(100), "ND2 file. Export it as OME-TIFF")
    refused(tmp_path, b"II*\0" + bytes(4), "damaged")
    with pytest.raises(ValueError, match=r"gone\.tif can't be opened"):
        load_micrograph(tmp_path / "gone.tif", "gone.tif")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}], ids=str)
def test_a_width_that_lies_is_refused(tmp_path, options):
    data = patch(tiff(metadata=None, **options), "ImageWidth", 6400)
    refused(tmp_path, data, "holds|cut off|damaged")


def test_a_declared_100k_by_100k_image_is_refused_before_memory_is_taken(tmp_path):
    for options in ({}, {"compression": "zlib"}, {"tile": (16, 16)}):
        data = patch(patch(tiff(metadata=None, **options), "ImageWidth", 100_000), "ImageLength", 100_000)
        (tmp_path / "huge.tif").write_bytes(data)
        tracemalloc.start()
        refused(tmp_path, data, r"100000 x 100000.*limit of 537 million", "huge.tif")
        assert tracemalloc.get_traced_memory()[1] < 50e6
        tracemalloc.stop()


def test_a_small_file_that_grows_on_the_way_is_refused(tmp_path):
    path = tmp_path / "long.tif"
    tifffile.imwrite(path, np.zeros((2, 20000), np.uint8), photometric="minisblack")
    with pytest.raises(ValueError, match=r"16384 x \d+|more than the limit"):
        load_micrograph(path, "long.tif", Choices(size="pad", multiple=1024 * 1024))


def test_a_projection_over_too_many_bytes_is_refused(tmp_path, monkeypatch):
    from cellstyle.micrograph import limits

    monkeypatch.setattr(limits, "MAX_READ_BYTES", 3 * PICTURE.nbytes)
    data = tiff(np.stack([PICTURE] * 4), metadata={"axes": "ZYX"})
    refused(tmp_path, data, "GiB of planes to be read", z="max")


def test_a_png_bomb_is_refused_on_its_header(tmp_path):
    import zlib

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d))
        for n, d in ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    )
    refused(tmp_path, b"\x89PNG\r\n\x1a\n" + chunks, "100000 x 100000", "bomb.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_cut_off_png_or_jpeg_is_refused(tmp_path, kind):
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(file, kind)
    refused(tmp_path, file.getvalue()[: len(file.getvalue()) // 2], "damaged", "half.png")


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image>&b;</Image></OME>'
)
SECRET = '<!DOCTYPE OME [<!ENTITY x SYSTEM "file:///etc/passwd">]><OME><Image Name="&x;"/></OME>'
PIXELS = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
    'DimensionOrder="XYCZT" Type="uint16" SizeX="64" SizeY="64" SizeZ="{z}" SizeC="1" SizeT="{t}">'
    '<Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData {data}/></Pixels></Image></OME>'
)


@pytest.mark.parametrize("xml", [LAUGHS, SECRET])
def test_entities_in_ome_xml_are_refused(tmp_path, xml):
    refused(tmp_path, tiff(description=xml, metadata=None), "document type or entities")


@pytest.mark.parametrize(
    ("z", "t", "data"),
    [
        (10**9, 1, ""),
        (10**4, 10**4, ""),
        (1, 1, 'IFD="0" PlaneCount="999999999999"'),
        (1, 1, 'IFD="-5"'),
        ("many", 1, ""),
        ("nan", 1, ""),
    ],
)
def test_ome_xml_that_declares_endless_planes_is_refused(tmp_path, z, t, data):
    started = time.process_time()
    refused(tmp_path, tiff(description=PIXELS.format(z=z, t=t, data=data), metadata=None), "OME-XML")
    assert time.process_time() - started < 2


def test_too_much_ome_xml_is_not_parsed(tmp_path):
    xml = "<OME>" + " " * MAX_XML + "</OME>"
    refused(tmp_path, tiff(description=xml, metadata=None), "MiB of OME-XML")


def test_ome_xml_cannot_open_other_files(tmp_path):
    tifffile.imwrite(tmp_path / "secret.tif", np.full((64, 64), 65535, np.uint16))
    uuid = "urn:uuid:00000000-0000-0000-0000-000000000001"
    data = f'IFD="0" PlaneCount="1"><UUID FileName="secret.tif">{uuid}</UUID></TiffData'
    xml = PIXELS.format(z=1, t=1, data=data).replace("</TiffData/>", "</TiffData>")
    path = tmp_path / "outside.ome.tif"
    path.write_bytes(tiff(np.zeros((64, 64), np.uint16), description=xml, metadata=None))
    try:
        loaded = load_micrograph(path, "outside.ome.tif", Choices(contrast="full range"))
    except ValueError:
        return
    assert loaded.images.max() == 0


def test_a_shape_that_the_description_makes_up_is_refused_or_ignored(tmp_path):
    for text in (
        '{"shape": [1000000000, 64, 64]}',
        "ImageJ=1.53\nimages=999999999\nframes=999999999\nhyperstack=true\n",
    ):
        path = tmp_path / "claim.tif"
        path.write_bytes(tiff(description=text, metadata=None))
        try:
            assert load_micrograph(path, "claim.tif").images.shape == (1, 64, 64, 3)
        except ValueError as error:
            assert "claim.tif" in str(error)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("back_to", [0, 1, 2, 3, 4])
def test_a_chain_of_pages_that_bites_its_tail_is_refused(tmp_path, back_to, byteorder, bigtiff):
    data = tiff(np.stack([PICTURE[:8, :8]] * 5), metadata=None, byteorder=byteorder, bigtiff=bigtiff)
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        pages = [(page.offset, len(page.tags)) for page in tif.pages]
    at, tags = pages[-1]
    kind, link = ("Q", at + 8 + 20 * tags) if bigtiff else ("I", at + 2 + 12 * tags)
    struct.pack_into(byteorder + kind, data, link, pages[back_to][0])
    started = time.process_time()
    refused(tmp_path, data, "pages that lead back to earlier ones")
    assert time.process_time() - started < 1


def test_a_page_that_the_file_ends_in_does_not_lead_back_either(tmp_path):
    # the file ends where the last page's link should be, and tifffile takes what stands before it for one
    page = struct.pack("<H", 1) + struct.pack("<HHII", 256, 3, 1, 8)
    refused(tmp_path, bytearray(b"II*\0" + struct.pack("<I", 8) + page), "pages that lead back to earlier ones")


def test_a_chain_of_pages_that_leaves_the_file_ends_there(tmp_path):
    data = tiff(np.stack([PICTURE[:8, :8]] * 3), metadata=None)
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        second = tif.pages[1]
    struct.pack_into("<I", data, second.offset + 2 + 12 * len(second.tags), len(data) + 5)
    (tmp_path / "short.tif").write_bytes(data)
    assert load_micrograph(tmp_path / "short.tif", "short.tif").metadata["original"]["depths"] == 2


def test_a_codec_that_is_missing_is_named(tmp_path, monkeypatch):
    refused(tmp_path, patch(tiff(compression="zlib"), "Compression", 22610), "compressed as JPEGXR")
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    text = refused(tmp_path, SIXTEEN_BIT_COLOUR, "needs the package imagecodecs", "sixteen.png")
    assert "pip install imagecodecs" in text


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bytes_never_crash(tmp_path, seed):
    rng = np.random.default_rng(seed)
    kinds = [
        tiff(),
        tiff(compression="zlib", predictor=True),
        tiff(np.stack([PICTURE[:16, :16]] * 6), metadata={"axes": "ZYX"}),
        tiff(np.stack([PICTURE[:16, :16]] * 6).reshape(3, 2, 16, 16), ome=True, metadata={"axes": "ZCYX"}),
        tiff(np.stack([PICTURE[:16, :16]] * 6).reshape(3, 2, 16, 16), imagej=True, metadata={"axes": "ZCYX"}),
    ]
    lzw, png, jpeg = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.fromarray(PICTURE).save(lzw, "TIFF", compression="tiff_lzw")
    Image.fromarray(PICTURE).save(png, "PNG")
    Image.fromarray((PICTURE >> 8).astype(np.uint8)).save(jpeg, "JPEG")
    kinds += [bytearray(f.getvalue()) for f in (lzw, png, jpeg)]
    path = tmp_path / "flipped.tif"
    for data in kinds:
        for _ in range(5):
            broken = bytearray(data)
            for _ in range(int(rng.integers(1, 6))):
                head = rng.random() < 0.7  # most of what can go wrong is in the header
                spot = int(rng.integers(0, min(len(broken), 700) if head else len(broken)))
                broken[spot] = int(rng.integers(0, 256))
            path.write_bytes(broken)
            try:
                loaded = load_micrograph(path, "flipped.tif")
            except ValueError as error:
                assert "flipped.tif" in str(error) and "\n" not in str(error)
            else:
                assert np.isfinite(loaded.images).all()
                assert loaded.images.min() >= 0 and loaded.images.max() <= 1


def test_more_channels_than_a_picture_is_drawn_of_are_refused_until_some_are_named(tmp_path):
    planes = np.arange(MAX_CHANNELS + 1, dtype=np.uint16)[:, None, None].repeat(2, 1).repeat(2, 2)
    path = tmp_path / "many.tif"
    path.write_bytes(tiff(planes, planarconfig="separate"))
    with pytest.raises(ValueError, match=r"many\.tif would be drawn of 4,097 channels, more than 4,096\. Name those"):
        load_micrograph(path, path.name, Choices(channels="all"))
    assert load_micrograph(path, path.name, Choices(channels="1-3")).images.shape == (1, 2, 2, 3)


def test_what_a_reader_quotes_of_the_file_is_shown_as_far_as_it_can_be():
    with pytest.raises(MicrographError) as caught, in_one_sentence("given.png"):
        raise OSError("bad chunk \x7f\u0235\ud800" + "\x1b" * 500 + "\n at 8 µm")
    said = str(caught.value)
    assert "(bad chunk \u0235 at 8 µm)" in said and said.isprintable() and said.encode("utf-8")
