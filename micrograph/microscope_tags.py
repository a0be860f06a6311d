"""Pixel sizes and intervals that microscopes write into tags of their own, as tifffile reads them."""

from __future__ import annotations

from collections.abc import Callable

from .lengths import micrometres
from .source import PixelSize

SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "\u00b5s": 1e-6, "us": 1e-6,
    "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "d": 86400.0,
}  # fmt: skip


def seconds(value, unit: str = "s") -> float | None:
    """A duration above 0 in seconds, or None."""
    try:
        duration = float(value) * SECONDS[str(unit).strip().lower()]
    except (TypeError, ValueError, KeyError):
        return None
    return duration if 0 < duration < float("inf") else None


def from_microscope(tif) -> PixelSize | None:
    """From the first of the makers' tags that holds a size; None where none does, or it is damaged."""
    for maker, read in MAKERS.items():
        if not getattr(tif, f"is_{maker}"):
            continue
        metadata = getattr(tif, f"{maker}_metadata")
        try:
            x, y, z = read(metadata)
        except (TypeError, KeyError, ValueError, IndexError, AttributeError):
            continue
        if x or y:
            return PixelSize(x or y, y or x, z, SOURCES[maker])
    return None


def interval_of(tif, pixels: dict[str, str] | None) -> float | None:
    """Seconds between two moments of a time series."""
    found = seconds((pixels or {}).get("TimeIncrement"), (pixels or {}).get("TimeIncrementUnit", "s"))
    if found is None and tif.is_imagej:
        metadata = tif.imagej_metadata or {}
        found = seconds(metadata.get("finterval"), metadata.get("tunit", "s"))
    if found is None and tif.is_lsm:
        found = seconds((tif.lsm_metadata or {}).get("TimeIntervall"))
    if found is None and tif.is_micromanager:
        found = seconds(((tif.micromanager_metadata or {}).get("Summary") or {}).get("Interval_ms"), "ms")
    return found


def _lsm(lsm):
    return (micrometres(lsm.get(f"VoxelSize{a}"), "m") for a in "XYZ")


def _fei(fei):
    """FEI (Thermo Fisher): metres, in the section of the scan that was made."""
    sections = [fei.get(name) or {} for name in ("Scan", "EScan", "IScan", "Image")]
    found = [next((s[key] for s in sections if s.get(key)), None) for key in ("PixelWidth", "PixelHeight")]
    return micrometres(found[0], "m"), micrometres(found[1], "m"), None


def _sem(sem):
    """Zeiss SmartSEM: a name, a number and a unit; without them the fourth number of the header, in metres."""
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        if len(sem.get(key, ())) == 3:
            size = micrometres(*sem[key][1:])
            if size:
                return size, size, None
    return micrometres(sem[""][3], "m"), None, None


def _sis(sis):
    return micrometres(sis["pixelsizex"], "m"), micrometres(sis["pixelsizey"], "m"), None


def _stk(stk):
    """MetaMorph: the calibration in units per pixel, 1 and off where nobody calibrated."""
    if not stk.get("SpatialCalibration", 1):
        return None, None, None
    unit = stk.get("CalibrationUnits", "")
    return *(micrometres(stk[f"{a}Calibration"], unit) for a in "XY"), None


def _metaseries(metaseries):
    plane = metaseries["PlaneInfo"]
    unit = plane.get("spatial-calibration-units", "")
    return *(micrometres(plane[f"spatial-calibration-{a}"], unit) for a in "xy"), None


MAKERS: dict[str, Callable] = {
    "lsm": _lsm, "fei": _fei, "sem": _sem, "sis": _sis, "stk": _stk, "metaseries": _metaseries,
}  # fmt: skip
SOURCES = {
    "lsm": "LSM VoxelSize", "fei": "FEI PixelWidth", "sem": "Zeiss SmartSEM pixel size",
    "sis": "Olympus SIS pixel size", "stk": "MetaMorph calibration", "metaseries": "MetaSeries calibration",
}  # fmt: skip
