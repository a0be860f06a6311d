"""What a TIFF may say before it is believed: the chain of its pages ends, and OME-XML is read safely and checked."""

from __future__ import annotations

import contextlib
import struct
from xml.etree import ElementTree

from .errors import MicrographError
from .limits import MAX_PLANES
from .xml_guard import parse_xml

COUNTS = ("SizeZ", "SizeC", "SizeT", "SizeX", "SizeY", "IFD", "PlaneCount", "NumPlanes", "FirstZ", "FirstC", "FirstT")
_MOST_TAGS = 4096  # of a page; tifffile, too, takes more for damage
SIZE = "Save it again with Fiji or Bio-Formats."


def read_ome_xml(description: str, name: str) -> ElementTree.Element | None:
    """The root of a description that is OME-XML, None for any other text.

    Document types and entities (external files, exponential expansion) are refused before a parser sees them.

    Raises: MicrographError: too long, a document type or entity, counts beyond reason.
    """
    if "<OME" not in description[:4096] and not description.rstrip()[-10:].endswith("OME>"):
        return None
    root = parse_xml(description, name, "OME-XML")
    if root is None:
        return None
    for element in root.iter():
        _check_counts(element, name)
    return root


def check_chain(handle, name: str) -> bool:
    """Follows the chain of pages once; the file's position is as before. tifffile would walk in a circle for ever.

    Args:
        handle: an open TIFF or BigTIFF.
    Returns: whether the chain leads out of the file, which then ends early.
    Raises: MicrographError: a page that comes twice, or more than MAX_PLANES.
    """
    start = handle.tell()
    order = "<" if handle.read(2) == b"II" else ">"
    big = struct.unpack(order + "H", handle.read(2))[0] == 43
    count, entry, link = (order + "Q", 20, order + "Q") if big else (order + "H", 12, order + "I")
    handle.seek(start + (8 if big else 4))
    seen, ends_early = set(), True
    with contextlib.suppress(struct.error):  # the file ends here, and so does the chain
        at = _unpacked(link, handle.read(struct.calcsize(link)))
        while at:
            if at in seen or len(seen) == MAX_PLANES:
                what = "pages that lead back to earlier ones" if at in seen else f"more than {MAX_PLANES:,} pages"
                raise MicrographError(f"{name} has {what}: it is damaged. {SIZE}")
            seen.add(at)
            handle.seek(at)
            entries = _unpacked(count, handle.read(struct.calcsize(count)))
            if entries > _MOST_TAGS:
                break
            # like tifffile, which takes the last bytes it gets for the link, also where the file ends before
            at = _unpacked(link, handle.read(entries * entry + struct.calcsize(link)))
        ends_early = False
    handle.seek(start)
    return ends_early and len(seen) > 1


def _unpacked(kind: str, data: bytes) -> int:
    return struct.unpack(kind, data[-struct.calcsize(kind) :])[0]


def ome_images(root: ElementTree.Element | None) -> list[tuple[dict[str, str], list[dict[str, str]]]]:
    """The attributes of each image's `Pixels` element and of its channels."""
    images = []
    for image in [] if root is None else root:
        if _tag(image) != "Image":
            continue
        for pixels in image:
            if _tag(pixels) == "Pixels":
                images.append((dict(pixels.attrib), [dict(c.attrib) for c in pixels if _tag(c) == "Channel"]))
                break
    return images


def ome_colour(value: str | None) -> str | None:
    """An OME `Color` (signed 32-bit RGBA) as #rrggbb; None for black, in which nothing would be seen."""
    try:
        rgba = int(value) & 0xFFFFFFFF
    except (TypeError, ValueError):
        return None
    return f"#{rgba >> 8:06x}" if rgba >> 8 else None


def _tag(element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _check_counts(element, name: str) -> None:
    attributes = element.attrib
    for key in COUNTS:
        if key in attributes and not 0 <= _number(attributes[key], name) <= MAX_PLANES:
            raise MicrographError(f"{name} declares {key}={attributes[key][:20]!r} in its OME-XML. {SIZE}")
    planes = 1
    for key in ("SizeZ", "SizeC", "SizeT"):
        planes *= max(1, _number(attributes.get(key, "1"), name))
    if planes > MAX_PLANES:
        raise MicrographError(f"{name} declares {planes:,} planes in its OME-XML, more than {MAX_PLANES:,}. {SIZE}")
    if "Start" in attributes and "End" in attributes:  # modulo annotations become an array of this length
        start, stop, step = (
            _number(attributes.get(k, d), name) for k, d in (("Start", "0"), ("End", "0"), ("Step", "1"))
        )
        if step == 0 or abs((stop - start) / step) > MAX_PLANES:
            raise MicrographError(f"{name} declares an endless modulo axis in its OME-XML. {SIZE}")


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if number != number or number in (float("inf"), float("-inf")):
        raise MicrographError(f"{name} has the text {text[:20]!r} where its OME-XML must have a number. {SIZE}")
    return int(number) if number == int(number) else number
