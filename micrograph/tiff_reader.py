"""TIFF, BigTIFF, OME-TIFF, ImageJ hyperstacks and what else tifffile tells apart, plane by plane."""

from __future__ import annotations

import contextlib

from tifffile import TiffFile

from . import orientation
from .errors import MicrographError
from .limits import check_kept, check_planes
from .microscope_tags import interval_of
from .pixel_size import from_tiff
from .source import Channel, PixelSize, Source
from .tiff_channels import are_red_green_blue, named_channels, rgb_channels
from .tiff_guard import check_chain, ome_images, read_ome_xml
from .tiff_planes import ROLES, TiffPlanes
from .tiff_samples import PALETTE, samples_of
from .tiff_segments import check_codec
from .tiff_series import check_stack, pictures_of, size_of, size_text


class _Unnamed:
    """An open file without name or descriptor: tifffile can't go on to other files that an OME-XML names."""

    def __init__(self, handle):
        self.seek, self.tell, self.read, self.readinto = handle.seek, handle.tell, handle.read, handle.readinto


@contextlib.contextmanager
def open_tiff(handle, name: str, series: int, pyramid_level: int, stack_axis: str):
    """A TIFF as a Source; only headers are read here.

    Raises: MicrographError, or whatever tifffile raises on a damaged file.
    """
    ends_early = check_chain(handle, name)
    with TiffFile(_Unnamed(handle)) as tif:
        images = ome_images(read_ome_xml(tif.pages[0].description, name))
        everything, notes = pictures_of(tif, name)
        if not 1 <= series <= len(everything):
            raise MicrographError(
                f"{name} has {len(everything)} series, {series} was asked for. Choose 1 to {len(everything)}."
            )
        levels = everything[series - 1].levels
        sizes = ", ".join(f"{n}: {size_text(level)}" for n, level in enumerate(levels))
        if not 0 <= pyramid_level < len(levels):
            raise MicrographError(f"{name} has no pyramid_level {pyramid_level}. Its levels are {sizes}.")
        if pyramid_level == 0 and len(levels) > 1:
            notes.append(f"pyramid levels {sizes}")
        described = images[min(series, len(images)) - 1] if images else (None, [])
        if images and everything[series - 1].kind != "ome":
            notes.append("its OME-XML does not describe its pages, which were read as they are")
        source = _source(tif, name, levels, pyramid_level, stack_axis, described, notes)
        if ends_early:
            source.cut_off = f"{name} is cut off: its list of pages leads beyond its end"
            notes.append(f"the file is cut off: its list of pages leads beyond its end, and {source.depths} depths and "
                         f"{source.times} moments are left")  # fmt: skip
        yield source


def _source(tif, name, levels, pyramid_level, stack_axis, described, notes) -> Source:
    series, (pixels, ome_channels) = levels[pyramid_level], described
    frame = series.keyframe
    if frame.dtype is None:
        raise MicrographError(f"{name} holds samples of a kind that is not read. Convert it in Fiji.")
    check_codec(frame, name)
    check_kept(name, *size_of(series), 1)
    check_stack(tif, series, name, tif.filehandle.size)
    declared = str((pixels or {}).get("SignificantBits", ""))
    bits = int(declared) if declared.isdigit() and len(declared) < 4 else None
    several = any(series.shape[n] > 1 for n, a in enumerate(series.axes) if ROLES.get(a, stack_axis) == "channel")
    samples = samples_of(frame, name, bits, palette=not several)
    turned = frame.tags.valueof(274, orientation.UPRIGHT)
    planes = TiffPlanes(tif, series, name, samples, stack_axis, turned, notes)
    check_planes(name, planes.count("channel") * planes.count("z") * planes.count("time"))
    notes += samples.notes
    width, height = size_of(series)
    size = from_tiff(tif, levels[0], pixels, notes)
    if orientation.turns(turned):
        notes.append(orientation.NOTE)
    if orientation.swaps_sides(turned):
        width, height, size = height, width, PixelSize(size.y, size.x, size.z, size.source)
    channels = _channels(tif, frame, planes, ome_channels, notes)
    rgb = planes.single_colour or (len(channels) == 3 and are_red_green_blue(channels))
    return Source(
        name=name,
        format="OME-TIFF" if pixels else "ImageJ TIFF" if tif.is_imagej else "TIFF",
        width=width,
        height=height,
        dtype=samples.dtype,
        read=planes.read,
        channels=channels,
        depths=planes.count("z"),
        times=planes.count("time"),
        rgb=rgb,
        alpha=len(channels) if samples.alpha else None,
        bits=samples.bits,
        axes=series.axes,
        shape=tuple(series.shape),
        pixel_size=size,
        interval=interval_of(tif, pixels),
        level_scale=size_of(levels[0])[0] / size_of(series)[0],
        notes=notes,
    )


def _channels(tif, frame, planes: TiffPlanes, ome_channels, notes: list[str]) -> list[Channel]:
    count, a_pixel = planes.count("channel"), planes.samples.count
    if planes.single_colour:
        return rgb_channels(a_pixel - 3)
    if planes.samples.rgb:
        parts = rgb_channels(a_pixel - 3)
        return [Channel(f"{n // a_pixel + 1} {parts[n % a_pixel].name}") for n in range(count)]
    channels = named_channels(tif, count, ome_channels)
    if int(frame.photometric) == PALETTE and not any(c.colour or c.lut is not None for c in channels):
        notes.append("the palette of its channels was left aside")
    return channels
