"""How large a pixel is, in micrometres: OME-XML, ImageJ, what microscopes write, then the resolution tags."""

from __future__ import annotations

import math
import re

from .lengths import micrometres
from .microscope_tags import from_microscope
from .source import PixelSize

COARSEST = 50.0
"""A resolution tag above this (72, 96, 150, 300 dpi) was written for a printer, not by a microscope."""
FINEST = 1e-5
SCREENS = (72, 96, 100, 120, 144, 150, 180, 200, 220, 240, 250, 300, 350, 360, 400, 600, 1200)
PER_INCH = {2: 1.0, 3: 2.54, 4: 25.4, 5: 25400.0}  # ResolutionUnit: inch, and tifffile's centimetre to micrometre


def from_ome(pixels: dict[str, str]) -> PixelSize | None:
    """From the attributes of an OME `Pixels` element; the default unit is the micrometre (OME 2016-06)."""
    x, y, z = (micrometres(pixels.get(f"PhysicalSize{a}"), pixels.get(f"PhysicalSize{a}Unit", "um")) for a in "XYZ")
    return PixelSize(x or y, y or x, z, "OME PhysicalSize") if x or y else None


def from_dots_per_inch(x: float, y: float, notes: list[str]) -> PixelSize:
    """From a resolution in pixels per inch, unless it is a printer's."""
    if not (x > 0 and y > 0):
        return PixelSize()
    if 25400.0 / x > COARSEST:
        notes.append(f"the resolution tag ({x:g} dpi) is a print resolution and says nothing about the pixel size")
        return PixelSize()
    return PixelSize(25400.0 / x, 25400.0 / y, None, "resolution tag")


def from_tiff(tif, series, pixels: dict[str, str] | None, notes: list[str]) -> PixelSize:
    """The pixel size of the full resolution of a series.

    Args:
        tif, series: the open tifffile.TiffFile and one of its series.
        pixels: attributes of the OME `Pixels` element, if any.
    """
    page = series.keyframe
    size = (from_ome(pixels) if pixels else None) or from_microscope(tif)
    if size:
        return size
    if tif.is_svs and series.name == "Baseline":
        found = re.search(r"MPP\s*=\s*([0-9.]+)", page.description)
        mpp = micrometres(found.group(1), "um") if found else None
        if mpp:
            return PixelSize(mpp, mpp, None, "Aperio MPP")
    x, y = (_per_unit(page, tag) for tag in ("XResolution", "YResolution"))
    if not (x or y):
        return PixelSize()
    x, y = x or y, y or x
    unit = getattr(page.tags.get("ResolutionUnit"), "value", 2)
    per_inch = PER_INCH.get(int(unit)) if isinstance(unit, int) else None
    imagej = tif.imagej_metadata if tif.is_imagej else None
    if imagej and imagej.get("unit"):
        return _from_imagej(x, y, per_inch, imagej, notes)
    return from_dots_per_inch(x * per_inch, y * per_inch, notes) if per_inch else PixelSize()


def _from_imagej(x: float, y: float, per_inch: float | None, imagej: dict, notes: list[str]) -> PixelSize:
    """ImageJ's description names the unit of the resolution tags, whose own unit it then leaves open.

    Micro-Manager writes both, a resolution in pixels per centimetre and `unit=um`: a unit of the tag's own says what
    the tag holds, unless that makes no sense for a microscope and the description does.
    """
    unit = str(imagej["unit"])
    by_unit = PixelSize(
        micrometres(1 / x, unit), micrometres(1 / y, unit), micrometres(imagej.get("spacing"), unit), "ImageJ unit"
    )
    length = micrometres(1, unit)
    if length is None:
        return PixelSize()
    if per_inch is None and length < 10_000:
        return by_unit
    dots = (x * per_inch, y * per_inch) if per_inch else (x * 25400 / length, y * 25400 / length)
    print_dots = any(abs(dots[0] - n) < 0.01 * n for n in SCREENS)
    by_tag = PixelSize(25400 / dots[0], 25400 / dots[1], by_unit.z, "resolution tag and its unit")
    if length == 25400.0 or print_dots:  # inches and screen resolutions are defaults, no calibration
        return by_tag if not print_dots and by_tag.x <= COARSEST else from_dots_per_inch(*dots, notes)
    if by_tag.x > COARSEST and by_unit.x and FINEST <= by_unit.x <= COARSEST:
        return by_unit
    if by_unit.x and abs(by_tag.x - by_unit.x) > 0.01 * by_unit.x:
        notes.append(f"the description's unit {unit[:20]!r} contradicts that of the resolution tag, which was taken")
        return by_tag
    return by_unit


def _per_unit(page, tag: str) -> float | None:
    """Pixels per unit of a rational tag."""
    value = getattr(page.tags.get(tag), "value", None)
    try:
        top, bottom = value
        ratio = float(top) / float(bottom)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return ratio if math.isfinite(ratio) and ratio > 0 else None
