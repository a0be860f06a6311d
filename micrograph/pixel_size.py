"""How large a pixel is, in micrometres: OME-XML, ImageJ, Zeiss LSM, Aperio, then the resolution tags."""

from __future__ import annotations

import math
import re

from .source import PixelSize

MICROMETRES = {
    "m": 1e6, "cm": 1e4, "centimeter": 1e4, "mm": 1e3, "millimeter": 1e3, "um": 1.0, "µm": 1.0, "μm": 1.0,
    "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "nm": 1e-3, "nanometer": 1e-3,
    "pm": 1e-6, "inch": 25400.0, "in": 25400.0, "å": 1e-4,
}  # fmt: skip

COARSEST = 50.0
"""A resolution tag above this (72, 96, 150, 300 dpi) was written for a printer, not by a microscope."""


def micrometres(value, unit: str) -> float | None:
    """A length in micrometres; None where the number or the unit makes no sense."""
    unit = unit.replace("\\u00B5", "µ").replace("\\u00b5", "µ").strip()
    factor = MICROMETRES.get(unit if unit in MICROMETRES else unit.lower())
    try:
        value = float(value)
    except (TypeError, ValueError):
        return None
    if factor is None or not math.isfinite(value * factor) or value * factor <= 0:
        return None
    return value * factor


def from_ome(pixels: dict[str, str]) -> PixelSize | None:
    """From the attributes of an OME `Pixels` element; the default unit is the micrometre (OME 2016-06)."""
    x, y, z = (micrometres(pixels.get(f"PhysicalSize{a}"), pixels.get(f"PhysicalSize{a}Unit", "µm")) for a in "XYZ")
    return PixelSize(x or y, y or x, z, "OME PhysicalSize") if x or y else None


def from_dots_per_inch(x: float, y: float, notes: list[str]) -> PixelSize:
    """From a resolution in pixels per inch, unless it is a printer's."""
    if not (x > 0 and y > 0):
        return PixelSize()
    if 25400.0 / x > COARSEST:
        notes.append(f"the resolution tag ({x:g} dpi) is a print resolution and says nothing about the pixel size")
        return PixelSize()
    return PixelSize(25400.0 / x, 25400.0 / y, None, "resolution tag")


def from_tiff(tif, page, pixels: dict[str, str] | None, notes: list[str]) -> PixelSize:
    """The pixel size of a TIFF's full resolution.

    Args:
        tif, page: the open tifffile.TiffFile and its first page.
        pixels: attributes of the OME `Pixels` element, if any.
    """
    size = from_ome(pixels) if pixels else None
    if size:
        return size
    lsm = tif.lsm_metadata if tif.is_lsm else None
    if lsm:
        x, y, z = (micrometres(lsm.get(f"VoxelSize{a}"), "m") for a in "XYZ")
        if x:
            return PixelSize(x, y or x, z, "LSM VoxelSize")
    if tif.is_svs:
        found = re.search(r"MPP\s*=\s*([0-9.]+)", page.description)
        mpp = micrometres(found.group(1), "µm") if found else None
        if mpp:
            return PixelSize(mpp, mpp, None, "Aperio MPP")
    x, y = (_per_unit(page, tag) for tag in ("XResolution", "YResolution"))
    if not x:
        return PixelSize()
    y = y or x
    imagej = tif.imagej_metadata if tif.is_imagej else None
    if imagej and imagej.get("unit"):
        unit = str(imagej["unit"])
        a, b = micrometres(1 / x, unit), micrometres(1 / y, unit)
        if a:
            return PixelSize(a, b or a, micrometres(imagej.get("spacing"), unit), "ImageJ unit and resolution")
        return PixelSize()
    unit = getattr(page.tags.get("ResolutionUnit"), "value", 2)
    per_inch = {2: 1.0, 3: 2.54}.get(int(unit))
    return from_dots_per_inch(x * per_inch, y * per_inch, notes) if per_inch else PixelSize()


def _per_unit(page, tag: str) -> float | None:
    """Pixels per unit of a rational tag."""
    value = getattr(page.tags.get(tag), "value", None)
    try:
        top, bottom = value
        ratio = float(top) / float(bottom)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return ratio if math.isfinite(ratio) and ratio > 0 else None
