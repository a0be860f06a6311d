"""PNG (8 and 16 bit) and JPEG."""

from __future__ import annotations

import warnings

import numpy as np
from PIL import ExifTags, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from .errors import MicrographError
from .limits import check_kept
from .picture_guard import check_jpeg, check_png
from .pixel_size import from_dots_per_inch
from .source import PNG_MAGIC, Channel, PixelSize, Source

RGB = [Channel("red", "#ff0000"), Channel("green", "#00ff00"), Channel("blue", "#0000ff")]


def open_picture(handle, name: str) -> Source:
    """A PNG or JPEG file as a Source. The size is checked on the header; EXIF orientation is applied.

    Raises: MicrographError, or whatever Pillow raises on a damaged file.
    """
    png = handle.read(8) == PNG_MAGIC
    header = handle.read(18)
    handle.seek(0)
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
    if png and len(header) == 18 and header[16] == 16 and header[17] != 0:
        pixels = _sixteen_bit_colour(handle, name, picture.size)
    else:
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) not in (0, 1)
        pixels = np.asarray(_plain(ImageOps.exif_transpose(picture)))
        if turned:
            notes.append("turned upright as its EXIF orientation says")
    pixels = pixels.view(np.uint8) if pixels.dtype == bool else pixels
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    count = pixels.shape[2]
    alpha = count - 1 if count in (2, 4) else None
    rgb = count >= 3
    size = PixelSize()
    if dots and np.isfinite(dots[0]) and dots[0] > 0:
        size = from_dots_per_inch(float(dots[0]), float(dots[-1]), notes)
    return Source(
        name=name,
        format="PNG" if png else "JPEG",
        width=pixels.shape[1],
        height=pixels.shape[0],
        dtype=pixels.dtype,
        read=lambda channel, time, depth: pixels[..., channel],
        channels=list(RGB) if rgb else [Channel("gray")],
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
    try:
        import av
    except ImportError:
        raise MicrographError(
            f"{name} is a 16-bit colour PNG, which needs the package av that ComfyUI requires. Install ComfyUI's "
            "requirements, or save the file as TIFF."
        ) from None
    handle.seek(0)
    with av.open(handle, format="png_pipe") as container:
        frame = next(container.decode(video=0))
    if (frame.width, frame.height) != size:
        raise MicrographError(f"{name} does not decode to the size it declares. Save it again.")
    kind = {"rgb48be": "rgb48le", "rgba64be": "rgba64le", "ya16be": "rgba64le"}.get(frame.format.name)
    if kind is None:
        raise MicrographError(
            f"{name} is a PNG of a kind that is not supported ({frame.format.name}). Save it as TIFF."
        )
    gray = frame.format.name == "ya16be"
    pixels = frame.reformat(format=kind).to_ndarray() if gray else frame.to_ndarray()
    pixels = pixels.astype(np.uint16, copy=False)
    return pixels[..., (0, 3)] if gray else pixels
