"""The pixels of a PNG file, by which results are compared: ComfyUI writes dates and names into the file."""

from __future__ import annotations

import hashlib
import io

from PIL import Image

Image.MAX_IMAGE_PIXELS = None  # a micrograph restored to its size may be large, and comes from the user's own server


def pixels_sha256(data: bytes) -> str:
    """SHA-256 of an encoded picture's size, mode and pixels. Raises ValueError for what is no whole picture."""
    try:
        if data.startswith(b"\x89PNG") and data[-8:-4] != b"IEND":
            raise OSError("it is cut off")  # which Pillow forgives where only the end is missing
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            digest = hashlib.sha256(f"{picture.mode} {picture.width}x{picture.height}\n".encode())
            digest.update(picture.tobytes())
    except (OSError, SyntaxError) as error:
        raise ValueError(f"the server's answer is no picture ({error})") from None
    return digest.hexdigest()
