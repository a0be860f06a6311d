"""The pictures of a TIFF: tifffile's series, a picture before its thumbnail, and pictures in SubIFDs."""

from __future__ import annotations

from tifffile.tifffile import TiffPageSeries

from .errors import MicrographError
from .limits import check_planes


def pictures_of(tif, name: str) -> tuple[list, list[str]]:
    """The series in the order in which they are counted from 1, and notes.

    Where a file begins with a reduced picture (NewSubfileType, bit 0), what is not reduced comes first, also out of its
    SubIFDs; slide scanners' own order stays.
    """
    series, notes = list(tif.series), []
    if not series:
        raise MicrographError(f"{name} holds no picture. Choose another file.")
    if series[0].keyframe.is_reduced and series[0].kind not in ("svs", "scn", "bif", "ndpi", "qpi", "philips", "ome"):
        whole = [one for one in series if not one.keyframe.is_reduced]
        inside = [page for one in series for page in _sub_pages(one) if not page.is_reduced]
        found = whole or [TiffPageSeries([page], page.shape, page.dtype, page.axes) for page in inside]
        if found:
            series = [*found, *(one for one in series if one.keyframe.is_reduced)]
            notes.append(f"the file begins with a thumbnail, which is series {len(found) + 1} here")
    if len(series) > 1:
        sizes = ", ".join(f"{n + 1}: {size_text(one)}" for n, one in enumerate(series[:8]))
        notes.append(f"series {sizes}{', ...' if len(series) > 8 else ''}")
    return series, notes


def _sub_pages(series) -> list:
    pages = getattr(series.keyframe, "pages", None)
    return [page.aspage() for page in pages][:64] if pages is not None and len(series.levels) == 1 else []


def size_of(series) -> tuple[int, int]:
    """Width and height of a series."""
    if "Y" not in series.axes or "X" not in series.axes:
        raise ValueError(f"axes {series.axes!r} without X and Y")
    return series.shape[series.axes.index("X")], series.shape[series.axes.index("Y")]


def size_text(series) -> str:
    """`width x height`."""
    width, height = size_of(series)
    return f"{width} x {height}"


def check_stack(tif, series, name: str, file_size: int) -> None:
    """Raises MicrographError where the file holds fewer planes than its one header declares, or ends within them."""
    frame = series.keyframe
    check_planes(name, max(1, len(series)))
    if frame.is_final and series.dataoffset is not None and series.dataoffset + series.nbytes > file_size:
        held = max(0, file_size - series.dataoffset) // max(1, frame.nbytes)
        raise _cut_off(name, max(1, series.nbytes // max(1, frame.nbytes)), held)
    declared = (tif.imagej_metadata or {}).get("images", 1) if tif.is_imagej else 1
    held = sum(len(one) for one in tif.series)
    if isinstance(declared, int) and declared > held:
        if held == 1 and frame.is_final and frame.dataoffsets:
            held = max(0, file_size - frame.dataoffsets[0]) // max(1, frame.nbytes)
        raise _cut_off(name, declared, min(held, declared - 1))


def _cut_off(name: str, declared: int, held: int) -> MicrographError:
    return MicrographError(
        f"{name} is cut off: its header declares {declared:,} planes and the file holds {held:,} whole ones. Copy or "
        "upload it again, or save what there is with the program that wrote it."
    )
