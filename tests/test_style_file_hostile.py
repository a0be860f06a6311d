"""Style files from strangers: whatever the bytes, the answer is a style or one sentence, soon."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import time
import zipfile

import pytest
from cellstyle.style_file.style import read_style
from PIL import Image
from style_bytes import edited, join, split
from style_files import sound_file


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> bytes:
    """A sound file."""
    return sound_file(tmp_path_factory.mktemp("good"))


def answer(tmp_path, data: bytes) -> str:
    """The sentence, or "" for a style. Anything but a ValueError fails the test."""
    path = tmp_path / "given.safetensors"
    path.write_bytes(data)
    started = time.process_time()
    try:
        read_style(path)
        said = ""
    except ValueError as error:
        said = str(error)
        assert said.startswith("given.safetensors ") and "\n" not in said and len(said) < 400
    assert time.process_time() - started < 2
    return said


def test_the_sound_file_is_read(tmp_path, good):
    assert answer(tmp_path, good) == ""


def _pickle() -> bytes:
    class Run:
        def __reduce__(self):
            return pytest.fail, ("the pickle was run",)

    return pickle.dumps(Run())


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", _pickle())
    return file.getvalue()


BYTES = {
    "nothing": (lambda good: b"", "no safetensors file, or only the beginning"),
    "seven bytes": (lambda good: good[:7], "only the beginning"),
    "a pickle": (lambda good: _pickle(), "a pickle under another name"),
    "a PyTorch archive": (lambda good: _zip(), "a pickle under another name"),
    "a picture": (lambda good: b"\x89PNG\r\n\x1a\n" + bytes(999), "no safetensors file"),
    "text": (lambda good: b"Not a style at all, but a text.", "no safetensors file"),
    "a header of 2^63 bytes": (lambda good: struct.pack("<Q", 2**63) + good[8:], "too large"),
    "a header of 3 MB": (lambda good: join(b'{"a":"' + b"x" * 3_000_000 + b'"}', b""), "too large"),
    "a header longer than the file": (lambda good: struct.pack("<Q", 2_000_000) + good[8:], "truncated"),
    "half the file": (lambda good: good[: len(good) // 2], "truncated"),
    "one byte less": (lambda good: good[:-1], "truncated"),
    "one byte more": (lambda good: good + b"\0", "belong to nothing"),
    "a header that nests": (lambda good: join(b'{"a":' + b"[" * 1_000_000, b""), "nested too deeply"),
    "a header that is no JSON": (lambda good: join(b"{]", b""), "no JSON"),
    "a header that is no UTF-8": (lambda good: join(b'{"\xff":1}', b""), "no JSON"),
    "a header in UTF-16": (lambda good: join('{"a":1}'.encode("utf-16-le"), b""), "no JSON"),
    "a name twice": (lambda good: join(b'{"a":1,"a":1}', b""), "twice"),
    "NaN in the header": (lambda good: join(b'{"a":NaN}', b""), "NaN"),
    "an empty header": (lambda good: join(b"{}", b""), "something else than a CellStyle style"),
    "another safetensors file": (
        lambda good: join({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
        "something else than a CellStyle style",
    ),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_style_get_a_sentence(tmp_path, good, name):
    make, message = BYTES[name]
    assert message in answer(tmp_path, make(good))


def _set(*path, value):
    """Sets one value in the header ("h") or in the description ("f")."""

    def change(header, facts):
        at = header if path[0] == "h" else facts
        for key in path[1:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


def _remove(*path):
    def change(header, facts):
        at = header if path[0] == "h" else facts
        for key in path[1:-1]:
            at = at[key]
        del at[path[-1]]

    return change


def _huge(header, facts):
    facts["shape"] = [1, 4, 16384, 16384]


EDITS = {
    "a newer format": (_set("h", "__metadata__", "format_version", value="3"), "format 3, newer"),
    "no format": (_remove("h", "__metadata__", "format_version"), "which format"),
    "a strange format": (_set("h", "__metadata__", "format_version", value="²"), "which format"),
    "no description": (_remove("h", "__metadata__", "style"), "lacks 'style'"),
    "metadata that is no text": (_set("h", "__metadata__", "title", value=3), "not texts"),
    "metadata that is a list": (_set("h", "__metadata__", value=[]), "not texts"),
    "a tensor missing": (_remove("h", "clean"), "overlap with others or leave a gap"),
    "a tensor renamed": (lambda h, f: h.update(extra=h.pop("clean")), "tensors are missing, such as clean"),
    "a tensor of no bytes too many": (
        _set("h", "more", value={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}),
        "no part of a style, such as 'more'",
    ),
    "a type nobody knows": (_set("h", "clean", "dtype", value="F8_E4M3"), "has type 'F8_E4M3'"),
    "a type that is a list": (_set("h", "clean", "dtype", value=["F32"]), "has type"),
    "a shape that is too large": (_set("h", "clean", "shape", value=[1, 4, 9999, 9999]), "does not fit its bytes"),
    "a shape that overflows": (_set("h", "clean", "shape", value=[2**40, 2**40, 2**40]), "does not fit its bytes"),
    "a negative shape": (_set("h", "clean", "shape", value=[-1, -4, 4, 6]), "described wrongly"),
    "a shape of words": (_set("h", "clean", "shape", value=["4"]), "described wrongly"),
    "a boolean shape": (_set("h", "clean", "shape", value=[True, 4, 4, 6]), "described wrongly"),
    "offsets past the end": (_set("h", "clean", "data_offsets", value=[10**9, 10**9 + 384]), "leave a gap"),
    "offsets that turn back": (_set("h", "clean", "data_offsets", value=[384, 0]), "does not fit its bytes"),
    "a tensor that is a number": (_set("h", "clean", value=7), "described wrongly"),
    "the same bytes twice": (lambda h, f: h["clean"].update(h["inverted"]), "overlap"),
    "another shape of the same bytes": (_set("h", "clean", "shape", value=[1, 4, 6, 4]), "was due"),
    "a size the tensors do not have": (_huge, "was due"),
    "no model": (_remove("f", "model"), "lacks 'model'"),
    "a model of control characters": (_set("f", "model", value="a\nb"), "which model"),
    "another fingerprint": (_set("f", "fingerprint", value="0" * 16), "fingerprint"),
    "no layers": (_set("f", "layers", value=[]), "no layers"),
    "layers out of order": (lambda h, f: f["layers"].reverse(), "not those of its model"),
    "a layer twice": (lambda h, f: f["layers"].append(f["layers"][0]), "not those of its model"),
    "a layer that is none": (_set("f", "layers", 0, value="decoder.5.0"), "is no layer"),
    "widths that are words": (_set("f", "widths", 0, 1, value="wide"), "no shape"),
    "widths that are no pairs": (_set("f", "widths", value=[1, 2]), "not understood"),
    "rising noise levels": (lambda h, f: f["sigmas"].reverse(), "do not fall"),
    "a noise level twice": (_set("f", "sigmas", 1, value=4.1), "most of its|do not fall|missing|was due"),
    "endless noise levels": (_set("f", "sigmas", value=list(range(5000, 0, -1))), "no noise levels, or too many"),
    "noise levels of 999 steps": (_set("f", "sigmas", value=list(range(999, -1, -1))), "features are missing"),
    "a noise level that is null": (_set("f", "sigmas", 0, value=None), "not numbers"),
    "an infinite noise level": (_set("f", "sigmas", 0, value=1e300), "not numbers"),
    "a batch of none": (_set("f", "shape", 0, value=0), "no shape"),
    "grids larger than the picture": (lambda h, f: f["grids"].update({f["layers"][0]: [99, 99]}), "do not fit"),
    "grids of other layers": (_set("f", "grids", value={}), "do not fit"),
    "features of bytes": (_set("f", "features", value="U8"), "no type"),
    "neither features nor trajectory": (lambda h, f: f.update(features=None, inputs=None), "neither"),
    "a conditioning missing": (_set("f", "conditioning", value=[]), "no conditioning"),
    "a conditioning that is null": (_set("f", "conditioning", 0, value=None), "not understood"),
    "a conditioning of another size": (_set("f", "conditioning", 0, "cross_attn", value=[1, 5, 31]), "was due"),
    "a conditioning with code": (_set("f", "conditioning", 0, "numbers", value={"hooks": 1}), "not understood"),
    "a conditioning of infinity": (_set("f", "conditioning", 0, "numbers", value={"width": 1e300}), "no sense"),
    "a thumbnail that is huge": (_set("f", "thumbnail", value=10**9), "thumbnail is too large"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_header_at_odds_with_the_file_gets_a_sentence(tmp_path, good, name):
    change, message = EDITS[name]
    said = answer(tmp_path, edited(good, change))
    assert any(part in said for part in message.split("|")), said


@pytest.mark.parametrize("name", ["clean", "inverted", "inputs", "conditioning.0.cross_attn", "features.1.output.5.1"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_found_in_every_tensor(tmp_path, good, name, value):
    header, body = split(good)
    begin, end = header[name]["data_offsets"]
    kind = "<e" if header[name]["dtype"] == "F16" else "<f"
    body = body[: end - struct.calcsize(kind)] + struct.pack(kind, value) + body[end:]
    assert f"tensor '{name}' holds NaN or infinite values" in answer(tmp_path, join(header, body))
    assert begin < end


def test_a_thumbnail_that_is_broken_or_a_bomb_is_refused(tmp_path, good):
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    for data, message in ((b"no picture", "thumbnail is broken"), (bomb.getvalue(), "thumbnail is too large (9000 x")):
        header, body = split(good)
        begin, end = header["thumbnail"]["data_offsets"]
        assert end == len(body)  # bytes are last
        header["thumbnail"].update(shape=[len(data)], data_offsets=[begin, begin + len(data)])
        facts = json.loads(header["__metadata__"]["style"]) | {"thumbnail": len(data)}
        header["__metadata__"]["style"] = json.dumps(facts)
        assert message in answer(tmp_path, join(header, body[:begin] + data))


def test_texts_for_people_hold_no_control_characters_and_end(tmp_path, good):
    texts = {"title": "a\x1b[31mb\u202ec" + "x" * 999, "licence": "one\ntwo\0", "author": "\ud800"}
    path = tmp_path / "texts.safetensors"
    path.write_bytes(edited(good, lambda header, facts: header["__metadata__"].update(texts)))
    found = read_style(path).record.texts
    assert found["title"].startswith("a[31mbc") and len(found["title"]) <= 200
    assert found["licence"] == "one\ntwo"
    assert all(text.encode() is not None for text in found.values())


@pytest.mark.parametrize("seed", range(8))
def test_hundreds_of_random_changes_give_a_style_or_a_sentence(tmp_path, good, seed):
    dice = random.Random(seed)
    header = 8 + struct.unpack("<Q", good[:8])[0]
    said = 0
    for _ in range(60):
        data = bytearray(good)
        kind = dice.randrange(4)
        if kind == 0:
            data = data[: dice.randrange(len(data))]
        elif kind == 1:  # bytes anywhere
            for _ in range(dice.randint(1, 40)):
                data[dice.randrange(len(data))] = dice.randrange(256)
        elif kind == 2:  # bytes of the header
            for _ in range(dice.randint(1, 4)):
                data[dice.randrange(8, header)] = ord(dice.choice('0123456789{}[],:"-.eEx \\'))
        else:  # a piece moved
            a, b = sorted(dice.randrange(len(data)) for _ in range(2))
            data = data[:a] + data[b:] + data[a:b]
        said += bool(answer(tmp_path, bytes(data)))
    assert said > 30
