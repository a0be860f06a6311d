"""How much a file may ask for; checked on what its header declares, before memory is taken."""

from __future__ import annotations

from .errors import MicrographError

MAX_SAMPLES = 512 * 1024**2
"""Samples (pixels times channels times frames) kept at once, and values of the finished picture."""

MAX_READ_BYTES = 8 * 1024**3
"""Decoded bytes read for one picture, planes that a projection folds away included."""

MAX_PLANES = 1_000_000
"""Planes that a header may declare."""

MAX_CHANNELS = 4096
"""Channels drawn into one picture; a spectrum has hundreds, a damaged header tens of thousands."""

MAX_XML = 16 * 1024**2
"""Characters of OME-XML that are parsed."""


def check_kept(name: str, width: int, height: int, planes: int) -> None:
    """Raises MicrographError where `planes` pictures of this size are more than MAX_SAMPLES samples."""
    if width < 1 or height < 1 or planes < 1:
        raise MicrographError(f"{name} declares an empty image ({width} x {height}). Choose another file.")
    if width * height * planes > MAX_SAMPLES:
        times = f" x {planes} planes" if planes > 1 else ""
        raise MicrographError(
            f"{name} would need {width} x {height}{times} = {width * height * planes / 1e6:,.0f} million samples, more "
            f"than the limit of {MAX_SAMPLES / 1e6:,.0f} million. Choose fewer channels or frames, a higher "
            "pyramid_level, or crop the file in Fiji first."
        )


def check_channels(name: str, channels: int) -> None:
    """Raises MicrographError where more than MAX_CHANNELS channels were chosen."""
    if channels > MAX_CHANNELS:
        raise MicrographError(
            f"{name} would be drawn of {channels:,} channels, more than {MAX_CHANNELS:,}. Name those to draw in "
            "channels, such as 1-3; where the file has not so many, its header is damaged."
        )


def check_planes(name: str, planes: int) -> None:
    """Raises MicrographError where a header declares more than MAX_PLANES planes."""
    if planes > MAX_PLANES:
        raise MicrographError(
            f"{name} declares {planes:,} planes, more than {MAX_PLANES:,}: its header is wrong, or it must be split. "
            "Save it again with Fiji or Bio-Formats."
        )


def check_read(name: str, size: int) -> None:
    """Raises MicrographError where `size` decoded bytes would have to be read, more than MAX_READ_BYTES."""
    if size > MAX_READ_BYTES:
        raise MicrographError(
            f"{name} would need {size / 1024**3:,.1f} GiB of planes to be read, more than the limit of "
            f"{MAX_READ_BYTES // 1024**3} GiB. Choose single planes instead of a projection, or a higher pyramid_level."
        )
