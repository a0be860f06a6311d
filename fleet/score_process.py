"""A process that measures pictures until its standard input closes. Run as a script by `scores.py`.

Messages are a length of 8 bytes and that many bytes. A request is JSON, {"settings": ..., "pictures": {name: count}},
and then the pictures as PNG files in that order; the answer is JSON, {"scores": ...} or {"error": ...}.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any, BinaryIO


def write_message(stream: BinaryIO, data: bytes) -> None:
    """Without flushing."""
    stream.write(len(data).to_bytes(8, "big"))
    stream.write(data)


def read_message(stream: BinaryIO) -> bytes:
    """Raises EOFError where the other side has ended."""
    length = int.from_bytes(_exactly(stream, 8), "big")
    return _exactly(stream, length)


def measured(pictures: dict[str, list[bytes]], settings: dict[str, Any]) -> str:
    """Cell Style Fidelity's numbers, the means over all pairs, as JSON. Raises what the metrics raise."""
    from fidelity.metrics import Settings, mean_numbers, measure

    known = Settings.__dataclass_fields__
    chosen = Settings(**{name: value for name, value in settings.items() if name in known})
    arrays = {name: [_array(data, name == "mask") for data in given] for name, given in pictures.items()}
    count = max(len(arrays["content"]), len(arrays["result"]))
    found = []
    for n in range(count):
        one = {name: given[n if len(given) > 1 else 0] for name, given in arrays.items()}
        found.append(measure(one["content"], one["result"], one.get("style"), one.get("mask"), chosen))
    return json.dumps({**mean_numbers(found), **({"pairs": count} if count > 1 else {})})


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers until the requests end."""
    while True:
        try:
            header = json.loads(read_message(requests))
            pictures = {name: [read_message(requests) for _ in range(n)] for name, n in header["pictures"].items()}
        except EOFError:
            return
        try:
            answer = {"scores": measured(pictures, header["settings"])}
        except Exception as error:  # the picture is made all the same; its row says what was wrong
            answer = {"error": f"{type(error).__name__}: {error}"[:1000]}
        write_message(answers, json.dumps(answer).encode())
        answers.flush()


def _array(data: bytes, is_mask: bool):
    import numpy as np
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("L" if is_mask else "RGB"), dtype=np.float32) / 255


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


if __name__ == "__main__":
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with os.fdopen(os.dup(1), "wb") as own:
        os.dup2(2, 1)  # whatever a library prints does not get among the answers
        serve(sys.stdin.buffer, own)
