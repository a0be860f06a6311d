"""Any file as a Source, told apart by its first bytes and not by its name."""

from __future__ import annotations

import contextlib
from pathlib import Path

from .errors import MicrographError, in_one_sentence
from .pillow_reader import JPEG_MAGIC, PNG_MAGIC, open_picture
from .source import Source
from .tiff_reader import open_tiff
from .vendors.czi import open_czi
from .vendors.dicom import open_dicom
from .vendors.dm import open_dm
from .vendors.lif import open_lif
from .vendors.mrc import open_mrc
from .vendors.oif import open_oif

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
VENDORS = (
    (0, b"ZISRAWFILE", open_czi),
    (0, b"\x70\0\0\0", open_lif),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", open_oif),
    (0, b"\xff\xfe[\0", open_oif),  # settings as UTF-16
    (208, b"MAP ", open_mrc),
    (208, b"MAP\0", open_mrc),
    (128, b"DICM", open_dicom),
    (0, b"\0\0\0\x03", open_dm),
    (0, b"\0\0\0\x04", open_dm),
)
"""(offset, bytes that stand there, what opens the file). A vendor's package is imported when such a file is opened."""
OTHERS = (
    (0, b"GIF8", "a GIF picture, which ComfyUI's Load Image reads"),
    (0, b"BM", "a BMP picture, which ComfyUI's Load Image reads"),
    (8, b"WEBP", "a WebP picture, which ComfyUI's Load Image reads"),
    (0, b"\xda\xce\xbe\x0a", "a Nikon ND2 file. Export it as OME-TIFF from NIS-Elements or Fiji"),
    (0, b"\x6a\x50\x20\x20", "a Nikon ND2 file of the old kind. Export it as OME-TIFF from NIS-Elements or Fiji"),
    (4, b"jP  ", "a JPEG 2000 picture or an old Nikon ND2 file. Export it as TIFF"),
    (0, b"\x89HDF", "an HDF5 file (Imaris, BigDataViewer). Export it as OME-TIFF from Fiji"),
)


@contextlib.contextmanager
def open_source(path: str | Path, name: str, series: int = 1, pyramid_level: int = 0, stack_axis: str = "z"):
    """Opens a micrograph; only headers are read of those that come plane by plane.

    Args:
        series: image of a file with several, counted from 1.
        pyramid_level: 0 is the full resolution.
        stack_axis: what the pages of a file without metadata are: "z", "time" or "channel".
    Raises: MicrographError.
    """
    with in_one_sentence(name), contextlib.ExitStack() as stack:
        try:
            handle = stack.enter_context(open(path, "rb"))
        except OSError as error:
            reason = error.strerror or "it can't be opened"
            raise MicrographError(f"{name} can't be opened ({reason}). Upload the file again.") from None
        head = handle.read(256)
        handle.seek(0)
        vendor = next((opened for at, magic, opened in VENDORS if head[at : at + len(magic)] == magic), None)
        if head[:4] in TIFF_MAGIC and vendor is not open_dicom:  # a DICOM file may begin like a TIFF
            source: Source = stack.enter_context(open_tiff(handle, name, series, pyramid_level, stack_axis))
        elif head[:8] == PNG_MAGIC or head[:3] == JPEG_MAGIC:
            source = open_picture(handle, name)
        elif vendor is not None:
            source = stack.enter_context(vendor(path, name, series, pyramid_level, stack_axis))
        else:
            raise MicrographError(f"{name} {_what(head)}")
        yield source


def _what(head: bytes) -> str:
    other = next((what for at, magic, what in OTHERS if head[at : at + len(magic)] == magic), None)
    if other:
        return f"is not a TIFF, PNG or JPEG file but {other}."
    what = "is empty" if not head else "is not a TIFF, PNG or JPEG file, nor another format that is read"
    return f"{what}. Save it as TIFF (Fiji opens most microscope formats) and load that."
