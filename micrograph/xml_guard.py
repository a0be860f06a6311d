"""XML from untrusted files: no document types or entities, and a limited length."""

from __future__ import annotations

from xml.etree import ElementTree

from .errors import MicrographError
from .limits import MAX_XML


def parse_xml(text: str, name: str, what: str = "XML") -> ElementTree.Element | None:
    """The root of a text, None where it is no XML.

    Document types and entities (external files, exponential expansion) are refused before a parser sees them.

    Raises: MicrographError: too long, a document type or entity.
    """
    if len(text) > MAX_XML:
        raise MicrographError(
            f"{name} carries {len(text) / 1024**2:,.0f} MiB of {what}, more than the limit of "
            f"{MAX_XML // 1024**2} MiB. Save it again with Fiji or Bio-Formats."
        )
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise MicrographError(
            f"{name} carries {what} with a document type or entities, which are refused. Save it again with Fiji or "
            "Bio-Formats."
        )
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return None
