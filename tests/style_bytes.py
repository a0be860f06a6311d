"""Style files taken apart, and put together wrongly."""

from __future__ import annotations

import json
import struct


def split(data: bytes) -> tuple[dict, bytes]:
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def join(header, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def edited(data: bytes, change) -> bytes:
    """The file with `change(header, facts)` made to its header and to the description within."""
    header, body = split(data)
    facts = json.loads(header["__metadata__"]["style"])
    change(header, facts)
    if "style" in header.get("__metadata__", {}):
        header["__metadata__"]["style"] = json.dumps(facts)
    return join(header, body)
