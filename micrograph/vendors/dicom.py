"""DICOM pictures, one frame at a time, by pydicom."""

from __future__ import annotations

import contextlib

import numpy as np

from ..errors import MicrographError
from ..lengths import micrometres
from ..limits import check_kept
from ..microscope_tags import seconds
from ..source import Channel, PixelSize, Source
from ..tiff_channels import rgb_channels
from .grid import Grid, choose_series, needed, only_level

DEFLATED = "1.2.840.10008.1.2.1.99"


@contextlib.contextmanager
def open_dicom(path, name: str, series: int, pyramid_level: int, stack_axis: str):
    """A DICOM file as a Source: frames are moments where it gives a time between them, else what stack_axis says.

    Raises: MicrographError, or what pydicom raises on a damaged file.
    """
    pydicom = needed("pydicom", "pydicom", name, "a DICOM file")
    only_level(pyramid_level, name)
    choose_series(1, series, name)
    meta = pydicom.filereader.read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") == DEFLATED:
        raise MicrographError(f"{name} is a deflated DICOM file, which is not read. Export it uncompressed.")
    dataset = pydicom.dcmread(path)
    if not {"PixelData", "FloatPixelData", "DoubleFloatPixelData"} & set(dataset.dir()):
        raise MicrographError(f"{name} is a DICOM file without a picture. Choose another file.")
    if "TotalPixelMatrixColumns" in dataset:
        raise MicrographError(f"{name} is a slide in tiles. Convert it to a pyramidal TIFF (dicom-to-TIFF of QuPath).")
    frames = int(dataset.get("NumberOfFrames") or 1)
    width, height, samples = int(dataset.Columns), int(dataset.Rows), int(dataset.SamplesPerPixel)
    check_kept(name, width, height, samples)
    interval = seconds(dataset.get("FrameTime"), "ms")
    axis = "T" if interval else {"z": "Z", "time": "T", "channel": "C"}[stack_axis]
    grid = Grid(axis, [frames], name)
    meaning, rgb = str(dataset.PhotometricInterpretation), samples == 3
    palette = meaning == "PALETTE COLOR"
    first = _frame(pydicom, dataset, 0, name, palette)
    if first.shape[:2] != (height, width) or first.dtype.kind not in "uif":
        raise MicrographError(f"{name} decodes to {first.shape} {first.dtype}, not as declared. Export it again.")
    rgb = rgb or palette
    bits = int(dataset.get("BitsStored") or first.dtype.itemsize * 8)
    bits = min(bits, first.dtype.itemsize * 8) if first.dtype.kind == "u" and not palette else None
    cached = {0: first}

    def read(channel: int, time: int, depth: int) -> np.ndarray:
        number = grid.index(0 if rgb else channel, time, depth)[0]
        if number not in cached:
            cached.clear()
            cached[number] = _frame(pydicom, dataset, number, name, palette)
        plane = cached[number][..., channel] if rgb else cached[number]
        return _inverted(plane, bits) if meaning == "MONOCHROME1" else plane

    source = Source(
        name=name,
        format="DICOM",
        width=width,
        height=height,
        dtype=first.dtype,
        read=read,
        channels=rgb_channels() if rgb else [Channel(f"channel {n + 1}") for n in range(grid.count("channel"))],
        depths=grid.count("z"),
        times=grid.count("time"),
        rgb=rgb,
        bits=bits,
        axes=f"{axis}YX{'S' if rgb else ''}",
        shape=(frames, *first.shape),
        pixel_size=_pixel_size(dataset),
        interval=interval,
    )
    yield source


def _frame(pydicom, dataset, number: int, name: str, palette: bool) -> np.ndarray:
    """(height, width) or (height, width, 3); YBR comes as RGB, palettes are applied."""
    try:
        pixels = pydicom.pixels.pixel_array(dataset, index=number)
    except (RuntimeError, NotImplementedError) as error:
        if "missing dependencies" in str(error) or "plugin" in str(error):
            syntax = dataset.file_meta.TransferSyntaxUID.name
            raise MicrographError(
                f"{name} is compressed as {syntax}, for which pydicom has no decoder here. Run `pip install "
                '"pydicom[pixeldata]"` in ComfyUI\'s environment, or export the file uncompressed.'
            ) from None
        raise
    if palette:
        pixels = pydicom.pixels.apply_color_lut(pixels, dataset)[..., :3]
    return pixels


def _inverted(plane: np.ndarray, bits: int | None) -> np.ndarray:
    """MONOCHROME1: the lowest number is white."""
    if plane.dtype.kind == "u":
        top = plane.dtype.type(2 ** (bits or plane.dtype.itemsize * 8) - 1)
        return top - np.minimum(plane, top)
    return 1 - plane if plane.dtype.kind == "f" else -1 - plane


def _pixel_size(dataset) -> PixelSize:
    """Millimetres between rows and between columns, in this order; of a multi-frame file in a shared sequence."""
    holder = dataset
    with contextlib.suppress(AttributeError, IndexError, KeyError):
        holder = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    for key in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        spacing = holder.get(key)
        if spacing is not None and len(spacing) == 2:
            y, x = (micrometres(value, "mm") for value in spacing)
            depth = holder.get("SpacingBetweenSlices") or holder.get("SliceThickness")
            return PixelSize(x or y, y or x, micrometres(depth, "mm"), f"DICOM {key}")
    return PixelSize()
