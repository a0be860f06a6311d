"""Vendors' formats, in files that something else wrote, come out as an independent reader gives them."""

import io
import lzma
import sys
from pathlib import Path

import numpy as np
import pytest
from cellstyle.micrograph.load import Choices, load_micrograph
from PIL import Image

SAMPLES = Path(__file__).parent / "samples"
RNG = np.random.default_rng(17)
STACK = RNG.integers(0, 65536, (2, 3, 2, 40, 60)).astype(np.uint16)  # time, z, channel, y, x


def load(path, **choices):
    return load_micrograph(path, Path(path).name, Choices(**{"contrast": "full range", **choices}))


def sample(tmp_path, name):
    (tmp_path / name).write_bytes(lzma.decompress((SAMPLES / f"{name}.xz").read_bytes()))
    return tmp_path / name


def numbers(loaded, top=255):
    return np.rint(loaded.images[..., 0].astype(float) * top).astype(int)


@pytest.fixture
def czi(tmp_path):
    """A stack by Zeiss' own writer."""
    writer = pytest.importorskip("pylibCZIrw.czi")
    path = tmp_path / "stack.czi"
    with writer.create_czi(str(path)) as file:
        for (t, z, c), plane in ((i, STACK[i]) for i in np.ndindex(STACK.shape[:3])):
            file.write(plane[..., None], plane={"T": t, "Z": z, "C": c})
        file.write_metadata(channel_names={0: "DAPI", 1: "GFP"}, scale_x=0.1e-6, scale_y=0.2e-6, scale_z=1e-6)
    return path


def test_a_czi_stack_is_what_was_written_and_what_czifile_reads(czi):
    loaded = load(czi, channels="GFP", z="frames", time="frames")
    np.testing.assert_array_equal(numbers(loaded, 65535), STACK[:, :, 1].reshape(6, 40, 60))
    size = loaded.metadata["original"]["pixel_size"]
    assert (size["x"], size["y"], size["z"]) == pytest.approx((0.1, 0.2, 1.0))
    assert loaded.metadata["frames"][4] == {"time": 2, "z": 2} and loaded.metadata["spacing_um"] == pytest.approx(1)
    assert loaded.metadata["original"]["channels"] == ["DAPI", "GFP"]
    czifile = pytest.importorskip("czifile")
    with czifile.CziFile(czi) as file:
        axes, whole = file.axes, file.asarray()
    other = np.squeeze(whole[:, 1, :, :] if axes.startswith("STC") is False else whole[:, :, 1])
    np.testing.assert_array_equal(other.reshape(6, 40, 60), STACK[:, :, 1].reshape(6, 40, 60))


def test_czi_colours_scenes_and_levels(tmp_path):
    writer = pytest.importorskip("pylibCZIrw.czi")
    path = tmp_path / "scenes.czi"
    picture = RNG.integers(0, 256, (600, 700, 3)).astype(np.uint8)
    with writer.create_czi(str(path)) as file:
        file.write(picture[:20, :30], plane={"C": 0}, location=(0, 0), scene=0)
        file.write(picture, plane={"C": 0}, location=(1000, 500), scene=1)
    np.testing.assert_allclose(load(path).images[0] * 255, picture[:20, :30, ::-1], atol=1e-4)  # written as BGR
    np.testing.assert_allclose(load(path, series=2).images[0] * 255, picture[..., ::-1], atol=1e-4)
    assert load(path, series=2, pyramid_level=1).images.shape == (1, 300, 350, 3)
    with pytest.raises(ValueError, match="has 2 series, 3 was asked for"):
        load(path, series=3)


def test_lif_planes_are_those_that_readlif_finds(tmp_path):
    pytest.importorskip("liffile")
    path = sample(tmp_path, "lambda.lif")
    sums = {(1, 1): 4101, (4, 1): 21577}  # readlif 0.6.6: get_image(2).get_frame(z=0), (z=3)
    for (depth, channel), total in sums.items():
        loaded = load(path, series=3, z="single", z_index=depth, channels=str(channel))
        assert numbers(loaded).sum() == total
    about = loaded.metadata["original"]
    assert (about["depths"], about["times"], len(about["channels"])) == (11, 2, 10)
    assert loaded.pixel_size == pytest.approx(1 / 9.54067119984844)
    assert "series 1: x_y_lambdaEmi" in " ".join(loaded.metadata["notes"])


@pytest.mark.parametrize("kind", ["oib", "oif"])
def test_oib_and_oif_planes_are_those_that_pillow_reads(tmp_path, kind):
    oiffile = pytest.importorskip("oiffile")
    path = sample(tmp_path, "confocal.oib")
    if kind == "oif":
        with oiffile.OibFileSystem(path) as oib:
            oib.saveas_oif(str(tmp_path))
        path = next(tmp_path.glob("**/*.oif"))
    with oiffile.OifFile(tmp_path / "confocal.oib") as oif:
        planes = [np.asarray(Image.open(io.BytesIO(oif.open_file(file).read()))) for file in oif.series[0]]
    for n, plane in enumerate(planes):
        np.testing.assert_array_equal(numbers(load(path, channels=str(n + 1)), 4095)[0], plane)
    about = load(path).metadata["original"]
    assert about["bits"] == 12 and about["channels"][1] == "Alexa Fluor 546"
    assert load(path).pixel_size == pytest.approx(0.177)


def test_an_oif_whose_planes_lead_elsewhere_is_refused(tmp_path):
    oiffile = pytest.importorskip("oiffile")
    with oiffile.OibFileSystem(sample(tmp_path, "confocal.oib")) as oib:
        oib.saveas_oif(str(tmp_path / "inside"))
    path = next(tmp_path.glob("inside/**/*.oif"))
    (path.parent / f"{path.name}.files" / "x.tif").symlink_to(tmp_path / "confocal.oib")
    with pytest.raises(ValueError, match="lead out of its folder"):
        load(path)


def test_mrc_volumes_and_stacks(tmp_path):
    mrcfile = pytest.importorskip("mrcfile")
    path = sample(tmp_path, "emd-3197.map")
    loaded = load(path, z="single", z_index=8, contrast="percentile", low=0, high=100)
    shown = loaded.metadata["shown"]["channels"][0]
    assert loaded.images.shape == (1, 20, 20, 3) and loaded.metadata["original"]["depths"] == 20
    values = loaded.images[0, ..., 0] * (shown["high"] - shown["low"]) + shown["low"]
    raw = np.frombuffer(path.read_bytes()[1024:], "<f4").reshape(20, 20, 20)
    np.testing.assert_allclose(values, raw[7], atol=1e-4)
    assert loaded.pixel_size == pytest.approx(11.4e-4)
    for dtype in ("int8", "int16", "uint16", "float32"):
        array = (RNG.random((3, 8, 9)) * 100).astype(dtype)
        with mrcfile.new(tmp_path / "s.mrcs", overwrite=True) as mrc:
            mrc.set_data(array)
            mrc.set_image_stack()
        got = load(tmp_path / "s.mrcs", stack_axis="time", time="frames", contrast="percentile", low=0, high=100)
        want = (array - array.min()) / float(array.max() - array.min())
        np.testing.assert_allclose(got.images[..., 0], want, atol=1e-5)
    data = (tmp_path / "s.mrcs").read_bytes()
    (tmp_path / "cut.mrc").write_bytes(data[:-300])
    with pytest.raises(ValueError, match="cut off or damaged"):
        load(tmp_path / "cut.mrc")


def test_dm_pictures_and_stacks_are_those_that_ncempy_reads(tmp_path):
    pytest.importorskip("rsciio.digitalmicrograph")
    exact = {"contrast": "percentile", "low": 0, "high": 100}
    loaded = load(sample(tmp_path, "picture.dm4"), **exact)
    np.testing.assert_allclose(loaded.images[0, ..., 0], (np.array([[1, 2], [3, 4]]) - 1) / 3, atol=1e-6)
    path = sample(tmp_path, "stack.dm3")
    loaded = load(path, z="single", z_index=1, **exact)
    shown = loaded.metadata["shown"]["channels"][0]
    row = loaded.images[0, 0, :6, 0].astype(float) * (shown["high"] - shown["low"]) + shown["low"]
    np.testing.assert_allclose(row, [606491, 615402, 621457, 620374, 601088, 616659], atol=1)  # ncempy 1.16
    assert loaded.metadata["original"]["depths"] == 3 and loaded.pixel_size == pytest.approx(0.0599829, rel=1e-5)


@pytest.mark.parametrize(
    ("file", "width", "height", "size"),
    [
        ("MR_small.dcm", 64, 64, 312.5),
        ("MR_small_RLE.dcm", 64, 64, 312.5),
        ("MR_small_bigendian.dcm", 64, 64, 312.5),
        ("CT_small.dcm", 128, 128, 661.468),  # begins with the bytes of a TIFF
        ("examples_rgb_color.dcm", 320, 240, 0),
        ("examples_palette.dcm", 800, 350, 0),
        ("SC_rgb_jpeg_dcmtk.dcm", 100, 100, 1000),
    ],
)
def test_dicom_files_of_other_writers(file, width, height, size):
    pydicom = pytest.importorskip("pydicom")
    path = pydicom.data.get_testdata_file(file, download=False)
    loaded = load(path, contrast="percentile", low=0, high=100)
    assert loaded.images.shape == (1, height, width, 3) and loaded.pixel_size == pytest.approx(size)
    dataset = pydicom.dcmread(path)
    if dataset.SamplesPerPixel == 1 and dataset.PhotometricInterpretation != "PALETTE COLOR":
        if not dataset.file_meta.TransferSyntaxUID.is_compressed:
            order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
            raw = np.frombuffer(dataset.PixelData[: width * height * 2], f"{order}i2").reshape(height, width)
            np.testing.assert_allclose(
                loaded.images[0, ..., 0], (raw - raw.min()) / np.ptp(raw.astype(float)), atol=1e-5
            )
    else:
        assert loaded.metadata["shown"]["channels"][0]["colour"] == "rgb"


def test_dicom_frames_are_moments_with_their_interval(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    path = pydicom.data.get_testdata_file("examples_ybr_color.dcm", download=False)
    loaded = load(path, time="frames", max_frames=3)
    assert loaded.images.shape == (3, 240, 320, 3) and loaded.metadata["interval_s"] == pytest.approx(1 / 30, rel=1e-3)
    for file, words in (("image_dfl.dcm", "deflated"), ("test-SR.dcm", "without a picture")):
        with pytest.raises(ValueError, match=words):
            load(pydicom.data.get_testdata_file(file, download=False))
    with pytest.raises(ValueError, match=r"no decoder here. Run `pip install \"pydicom\[pixeldata\]\"`"):
        load(pydicom.data.get_testdata_file("MR_small_jpeg_ls_lossless.dcm", download=False))


@pytest.mark.parametrize(
    ("head", "module", "package"),
    [
        (b"ZISRAWFILE", "pylibCZIrw.czi", "pylibCZIrw"),
        (b"\x70\0\0\0", "liffile", "liffile"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "oiffile", "oiffile"),
        (bytes(208) + b"MAP ", "mrcfile", "mrcfile"),
        (b"\0\0\0\x03", "rsciio.digitalmicrograph", "rosettasciio"),
        (bytes(128) + b"DICM", "pydicom", "pydicom"),
    ],
)
def test_a_missing_package_is_named_and_a_broken_file_gets_a_sentence(tmp_path, monkeypatch, head, module, package):
    path = tmp_path / "given.bin"
    path.write_bytes(head + RNG.bytes(400))
    with pytest.raises(ValueError, match=r"given\.bin") as caught:
        load(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=f"needs the package {package}. Run `pip install {package}`"):
        load(path)


def test_levels_of_a_slide_are_those_that_openslide_reads(tmp_path):
    openslide = pytest.importorskip("openslide")
    tifffile = pytest.importorskip("tifffile")
    whole = np.asarray(Image.fromarray(RNG.integers(0, 256, (8, 12, 3)).astype(np.uint8)).resize((768, 512)))
    text = "Aperio Image Library v12.0.0\r\n768x512 [0,0 768x512] (128x128) RAW|AppMag = 20|MPP = 0.5"
    path = tmp_path / "slide.svs"
    with tifffile.TiffWriter(path) as tif:
        for n, picture in enumerate((whole, whole[::4, ::4])):
            if n:
                tif.write(whole[::16, ::16], photometric="rgb", metadata=None, description=text)
            tif.write(picture, photometric="rgb", tile=(128, 128), metadata=None, description=text, compression="jpeg")
        tif.write(whole[:32, :24], photometric="rgb", metadata=None, subfiletype=1, description="label 24x32")
    with openslide.OpenSlide(path) as slide:
        for level, (width, height) in enumerate(slide.level_dimensions):
            want = np.asarray(slide.read_region((0, 0), level, (width, height)).convert("RGB"))
            loaded = load(path, pyramid_level=level)
            np.testing.assert_allclose(loaded.images[0] * 255, want, atol=2)
            assert loaded.pixel_size == pytest.approx(0.5 * 768 / width)
        assert slide.properties["openslide.mpp-x"] == "0.5"
