"""Style files as a stranger might make them: any number of broken ones from sound ones and a seed."""

from __future__ import annotations

import copy
import json
import pickle
import random
import struct
from collections.abc import Iterator

from style_bytes import join, split

# in the place of any value of a header
VALUES = [
    None, True, False, 0, -1, 1, 2, 255, 2**31, 2**48, 2**63, 2**64, -(2**63), 10**19, 0.5, -0.0, 1e-320, 1e308,
    "", "a", "\0", "a\nb", "\ud800", "../../x", "F16", "F32", "U8", "BF16", "F64", "I64", "BOOL", "NaN", "x" * 5000,
    "output.5.1", "output.999.999", "output.-1.0", "input.0.0", "٣", "1e5", "0x10",
    [], [[]], [0], [1], [-1], [1, 4, 4, 6], [2**40] * 4, [0] * 9, ["1"], [None], [1.0, 4.0], [True] * 4,
    {}, {"": ""}, {"__reduce__": []}, {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
]  # fmt: skip
# what Python's encoder would not write
RAW = [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 400, b"-0", b"01", b'"\\ud800"', b"'a'", b"[" * 5000, b""]


def broken_files(sound: dict[str, bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(how it was made, bytes), `count` times; some are still sound."""
    dice = random.Random(seed)
    for number in range(count):
        name, make = dice.choice(list(sound)), dice.choice(list(WAYS))
        yield f"{seed}/{number}: {name}, {make}", WAYS[make](dice, sound[name], list(sound.values()))


def _flip(dice, data, others):
    data = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def _flip_in_header(dice, data, others):
    data, end = bytearray(data), 8 + struct.unpack("<Q", data[:8])[0]
    for _ in range(dice.choice((1, 1, 2, 4))):
        data[dice.randrange(end)] = dice.choice((dice.randrange(256), ord(dice.choice('0123456789{}[],:"-.eE\\ \n'))))
    return bytes(data)


def _truncate(dice, data, others):
    header = 8 + struct.unpack("<Q", data[:8])[0]
    return data[: dice.choice((dice.randrange(len(data)), dice.randrange(header), len(data) - dice.randrange(1, 9)))]


def _extend(dice, data, others):
    more = dice.choice((b"\0", b"\xff" * 64, data, dice.choice(others), dice.randbytes(200)))
    at = dice.choice((0, 8, len(data), dice.randrange(len(data))))
    return data[:at] + more + data[at:]


def _move(dice, data, others):
    a, b = sorted(dice.randrange(len(data)) for _ in range(2))
    return data[:a] + data[b:] + data[a:b]


def _splice(dice, data, others):
    other = dice.choice(others)
    return data[: dice.randrange(len(data))] + other[dice.randrange(len(other)) :]


def _other_body(dice, data, others):
    header, body = split(data)
    return join(header, dice.choice(others)[-len(body) :])


def _header_length(dice, data, others):
    length = struct.unpack("<Q", data[:8])[0]
    lie = dice.choice(
        (0, 1, length - 1, length + 1, len(data) - 8, len(data), 2**20, 2**21 + 1, 2**31, 2**63, 2**64 - 1)
    )
    return struct.pack("<Q", lie) + data[8:]


def _value(dice, data, others):
    """One to three values anywhere in the header or in the description within it, replaced."""
    header, body = split(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        if dice.random() < 0.5:
            _replace(dice, header)
        else:
            facts = _facts(header)
            _replace(dice, facts)
            _set_facts(header, facts)
    return join(header, body)


def _remove(dice, data, others):
    header, body = split(data)
    facts = _facts(header)
    inner = dice.random() < 0.5
    at, key = _place(dice, facts if inner else header)
    del at[key]
    if inner:
        _set_facts(header, facts)
    return join(header, body)


def _double(dice, data, others):
    """A key twice, a tensor twice, or a list twice as long."""
    header, body = split(data)
    name = dice.choice(list(header))
    text = json.dumps(header)
    kind = dice.randrange(3)
    if kind == 0:
        return join((text[:-1] + f", {json.dumps(name)}: {json.dumps(header[name])}}}").encode(), body)
    if kind == 1:
        header[name + "2"] = copy.deepcopy(header[name])
        return join(header, body)
    facts = _facts(header)
    key = dice.choice([key for key, value in facts.items() if isinstance(value, list)])
    room = 3_000_000 // len(json.dumps(facts[key]))  # a fuzzer doubles again what was doubled
    facts[key] = facts[key] * max(2, min(dice.choice((2, 1000)), room))
    _set_facts(header, facts)
    return join(header, body)


def _raw(dice, data, others):
    """A piece of text that is no JSON, in the place of a value."""
    header, body = split(data)
    at, key = _place(dice, header)
    at[key] = "@@@"
    return join(json.dumps(header).encode().replace(b'"@@@"', dice.choice(RAW)), body)


def _giant(dice, data, others):
    """Header and description agree on a size that the file does not have."""
    header, body = split(data)
    facts = _facts(header)
    size = [dice.choice((1, 4096, 65536)), facts["shape"][1], dice.choice((8, 8192, 16384)), 16384]
    facts["shape"] = size
    at = 0
    for name, value in header.items():
        if name == "__metadata__":
            continue
        if name in ("clean", "inverted", "inputs"):
            value["shape"] = size if name != "inputs" else [value["shape"][0], *size]
        length = {"F32": 4, "F16": 2, "U8": 1}[value["dtype"]]
        for n in value["shape"]:
            length *= int(n)  # a TypeError for what an earlier change put there: a list would be repeated
        value["data_offsets"] = [at, at + length]
        at += length
    _set_facts(header, facts)
    return join(header, body)


def _deep(dice, data, others):
    header, body = split(data)
    depth = dice.choice((10, 500, 990, 3000, 100_000))
    nest = dice.choice((("[", "]"), ('{"a":', "}")))
    text = nest[0] * depth + dice.choice(("1", "")) + nest[1] * dice.choice((depth, 0))
    if dice.random() < 0.5:
        header["__metadata__"]["style"] = text
        return join(header, body)
    return join((json.dumps(header)[:-1] + f', "deep": {text}}}').encode(), body)


def _not_finite(dice, data, others):
    header, body = split(data)
    value = header[dice.choice([name for name in header if name not in ("__metadata__", "thumbnail")])]
    kind, size = {"F32": ("<f", 4), "F16": ("<e", 2)}[value["dtype"]]
    at = value["data_offsets"][0] + size * dice.randrange((value["data_offsets"][1] - value["data_offsets"][0]) // size)
    number = struct.pack(kind, dice.choice((float("nan"), float("inf"), float("-inf"))))
    return join(header, body[:at] + number + body[at + size :])


def _thumbnail(dice, data, others):
    header, body = split(data)
    begin, end = header["thumbnail"]["data_offsets"]
    picture = bytearray(body[begin:end])
    for _ in range(dice.choice((1, 4, 40))):
        picture[dice.randrange(dice.choice((40, len(picture))))] = dice.randrange(256)
    return join(header, body[:begin] + bytes(picture) + body[end:])


def _pickled(dice, data, others):
    stolen = pickle.dumps({"style": data}, protocol=dice.randrange(6))
    return dice.choice((stolen, stolen[: dice.randrange(len(stolen))], b"PK\x03\x04" + data, data[:8] + stolen))


def _noise(dice, data, others):
    return dice.choice((b"", b"\0" * 4096, dice.randbytes(dice.randrange(2000)), data[:8] + dice.randbytes(500)))


def _facts(header) -> dict:
    """The description within the header; a made-up one where an earlier change has spoilt it."""
    try:
        facts = json.loads(header["__metadata__"]["style"])
    except (KeyError, TypeError, ValueError):
        facts = {}
    return facts if isinstance(facts, dict) and facts else {"model": "x"}


def _set_facts(header, facts) -> None:
    if isinstance(header.get("__metadata__"), dict):
        header["__metadata__"]["style"] = json.dumps(facts)


def _replace(dice, tree) -> None:
    at, key = _place(dice, tree)
    at[key] = copy.deepcopy(dice.choice(VALUES))


def _place(dice, tree) -> tuple:
    """A container of the tree and a key of it."""
    while True:
        key = dice.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        inner = tree[key]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.3:
            return tree, key
        tree = inner


WAYS = {
    way.__name__[1:].replace("_", " "): way
    for way in (
        _flip, _flip_in_header, _truncate, _extend, _move, _splice, _other_body, _header_length, _value, _value, _value,
        _remove, _double, _raw, _giant, _deep, _not_finite, _thumbnail, _pickled, _noise,
    )
}  # fmt: skip
