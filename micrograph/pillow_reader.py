"""PNG (8 and 16 bit) and JPEG."""

from __future__ import annotations

import warnings

import numpy as np
from PIL import ExifTags
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from .errors import MicrographError
from .limits import check_kept
from .orientation import UPRIGHT, swaps_sides, turns, upright
from .picture_guard import check_jpeg, check_png
from .pixel_size import from_dots_per_inch
from .source import Channel, PixelSize, Source
from .tiff_channels import rgb_channels

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"


def open_picture(handle, name: str) -> Source:
    """A PNG or JPEG file as a Source. The size is checked on the header; EXIF orientation is applied.

    Raises: MicrographError, or whatever Pillow raises on a damaged file.
    """
    png = handle.read(8) == PNG_MAGIC
    header = handle.read(18)
    handle.seek(0)
    sixteen = png and len(header) == 18 and header[16] == 16
    # the plug-in itself: only this format, and a size limit of our own instead of Pillow's warning
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = PngImageFile(handle) if png else JpegImageFile(handle)
    check_kept(name, *picture.size, len(picture.getbands()))
    if png:
        check_png(handle, name)
    else:
        check_jpeg(handle, name, *picture.size)
    dots = picture.info.get("dpi")
    notes = []
    orientation = picture.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    if sixteen and header[17] != 0:
        pixels = _sixteen_bit_colour(handle, name, picture.size)
    else:
        pixels = np.asarray(_plain(picture))
    if sixteen:  # Pillow before 11.3 opens these as 32-bit numbers
        pixels = pixels.astype(np.uint16, copy=False)
    if turns(orientation):
        pixels = upright(pixels, orientation)
        notes.append("turned upright as its EXIF orientation says")
    pixels = pixels.view(np.uint8) if pixels.dtype == bool else pixels
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    count = pixels.shape[2]
    alpha = count - 1 if count in (2, 4) else None
    rgb = count >= 3
    size = PixelSize()
    if dots and swaps_sides(orientation):
        dots = dots[::-1]
    if dots and np.isfinite(dots[0]) and dots[0] > 0:
        size = from_dots_per_inch(float(dots[0]), float(dots[-1]), notes)
    return Source(
        name=name,
        format="PNG" if png else "JPEG",
        width=pixels.shape[1],
        height=pixels.shape[0],
        dtype=pixels.dtype,
        read=lambda channel, time, depth: pixels[..., channel],
        channels=rgb_channels() if rgb else [Channel("gray")],
        rgb=rgb,
        alpha=alpha,
        bits=pixels.dtype.itemsize * 8,
        axes="YXS" if count > 1 else "YX",
        shape=pixels.shape if count > 1 else pixels.shape[:2],
        pixel_size=size,
        notes=notes,
    )


def _plain(picture):
    """Palettes, bilevel and CMYK pictures as gray, RGB or RGBA; 16-bit gray stays."""
    if "transparency" in picture.info and picture.mode in ("P", "L", "RGB"):
        return picture.convert("RGBA")
    if picture.mode in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I"):
        return picture
    if picture.mode == "1":
        return picture.convert("L")
    return picture.convert("RGB")


def _sixteen_bit_colour(handle, name: str, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 2, 3 or 4) uint16; Pillow would cut these files to 8 bits."""
    import imagecodecs

    handle.seek(0)
    pixels = imagecodecs.png_decode(handle.read())
    if pixels.shape[1::-1] != size or pixels.dtype != np.uint16:
        raise MicrographError(f"{name} does not decode to the size it declares. Save it again.")
    return pixels
