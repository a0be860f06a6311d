"""Any number of broken pictures from sound ones and a seed: damage anywhere, and lies in TIFF tags, PNG chunks, JPEG
segments and descriptions."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator

from sound_pictures import png_of

NUMBERS = (0, 1, 2, 3, 7, 255, 256, 65535, 65536, 10**5, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
TEXTS = (
    b'{"shape": [1000000000, 64, 64]}', b'{"shape": [-1, 64]}', b'{"shape": [0]}', b'{"shape": "x"}', b"{",
    b"ImageJ=1.53\nimages=999999999\nhyperstack=true\n", b"ImageJ=1.53\nimages=-5\nchannels=0\nslices=nan\n",
    b"<OME><Image><Pixels SizeX='1e99'/></Image></OME>", b"<OME" + b"<a>" * 3000, b"<OME>\xff\xfe</OME>",
    b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><OME>&b;</OME>",
    b'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
    b'DimensionOrder="XYCZT" Type="uint16" SizeX="32" SizeY="24" SizeZ="1000" SizeC="1000" SizeT="1"/></Image></OME>',
    b"\0" * 100, b"SCANIMAGE", b"\x1b[31m\n\n", b"MetaMorph", b"9" * 5000,
)  # fmt: skip
# tags that say how much there is, how it is packed and what it means
TAGS = (254, 256, 257, 258, 259, 262, 266, 270, 273, 277, 278, 279, 282, 283, 284, 296, 305, 306, 317, 320, 322, 323,
        324, 325, 330, 338, 339, 347, 530, 50838, 50839, 65426, 34412, 65420, 33628, 34361)  # fmt: skip


def broken_pictures(sound: dict[str, bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(how it was made, bytes), `count` times; some are still sound."""
    dice = random.Random(seed)
    for number in range(count):
        name = dice.choice(list(sound))
        ways = [*ANYWHERE, *LIES[name.rsplit(".", 1)[1]] * 2]
        way = dice.choice(ways)
        yield f"{seed}/{number}: {name}, {way.__name__[1:]}", way(dice, sound[name], list(sound.values()))


def _flip(dice, data, others):
    data = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def _flip_at_the_ends(dice, data, others):
    data = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4))):
        spot = dice.randrange(min(len(data), 200))
        data[spot if dice.random() < 0.7 else len(data) - 1 - spot] = dice.choice((0, 1, 255, dice.randrange(256)))
    return bytes(data)


def _truncate(dice, data, others):
    return data[: dice.randrange(len(data))]


def _splice(dice, data, others):
    other = dice.choice(others)
    return data[: dice.randrange(len(data))] + other[dice.randrange(len(other)) :]


def _insert(dice, data, others):
    at = dice.randrange(len(data))
    return data[:at] + dice.choice((b"\0" * 16, b"\xff" * 3, dice.randbytes(8))) + data[at:]


def _other_head(dice, data, others):
    return dice.choice(others)[:8] + data[8:]


class Tiff:
    """The layout of a TIFF or BigTIFF: its directories and where their entries are."""

    def __init__(self, data: bytes):
        self.data = bytearray(data)
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = struct.unpack(self.order + "H", data[2:4])[0] == 43
        self.word = "Q" if self.big else "I"
        self.entries, self.nexts = [], [8 if self.big else 4]
        at, width = self.number(self.word, self.nexts[0]), 20 if self.big else 12
        while 0 < at < len(data) and len(self.nexts) < 99:
            kind = "Q" if self.big else "H"
            count, at = self.number(kind, at), at + struct.calcsize(kind)
            self.entries += range(at, at + width * count, width)
            self.nexts.append(at + width * count)
            at = self.number(self.word, self.nexts[-1])

    def number(self, kind: str, at: int) -> int:
        return struct.unpack_from(self.order + kind, self.data, at)[0]

    def put(self, kind: str, at: int, value: int) -> None:
        size = 8 * struct.calcsize("<" + kind)
        struct.pack_into(self.order + kind, self.data, at, value % 2**size)


def _tag(dice, data, others):
    """One to three entries of directories with another tag, type, count or value."""
    tiff = Tiff(data)
    for _ in range(dice.choice((1, 1, 2, 3))):
        at, what = dice.choice(tiff.entries), dice.randrange(6)
        if what == 0:
            tiff.put("H", at, dice.choice(TAGS))
        elif what == 1:
            tiff.put("H", at + 2, dice.randrange(20))
        elif what == 2:
            tiff.put(tiff.word, at + 4, dice.choice(NUMBERS))
        else:
            kind = dice.choice("H" + tiff.word)
            tiff.put(kind, at + (12 if tiff.big else 8), dice.choice((*NUMBERS, dice.randrange(len(data)))))
    return bytes(tiff.data)


def _size_tag(dice, data, others):
    """Width, length, samples, bits or strips that lie."""
    tiff = Tiff(data)
    chosen = [at for at in tiff.entries if tiff.number("H", at) in (256, 257, 258, 277, 278, 279, 322, 323, 325)]
    for at in dice.sample(chosen, min(len(chosen), dice.choice((1, 2)))):
        tiff.put("H", at + 2, 4)
        tiff.put("I", at + (12 if tiff.big else 8), dice.choice((*NUMBERS, 33, 640, 20000, 40000)))
    return bytes(tiff.data)


def _directory(dice, data, others):
    """A directory that follows another, itself, or nothing that is one."""
    tiff = Tiff(data)
    tiff.put(tiff.word, dice.choice(tiff.nexts), dice.choice((*NUMBERS, dice.randrange(len(data)), *tiff.nexts)))
    return bytes(tiff.data)


def _description(dice, data, others):
    """Another text in the place of the description, at the end of the file."""
    tiff, text = Tiff(data), dice.choice(TEXTS) + b"\0"
    at = dice.choice(tiff.entries)
    tiff.put("H", at, 270)
    tiff.put("H", at + 2, 2)
    tiff.put(tiff.word, at + 4, len(text))
    tiff.put(tiff.word, at + (12 if tiff.big else 8), len(data))
    return bytes(tiff.data) + text


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _png_header(dice, data, others):
    chunks = _chunks(data)
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    sizes = (*NUMBERS, width, height, 640, 20000)
    rest[0] = dice.choice((rest[0], 1, 2, 4, 8, 16, 3))
    rest[1] = dice.choice((rest[1], 0, 2, 3, 4, 6, 5))
    rest[4] = dice.choice((rest[4], 0, 1, 2))
    chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", dice.choice(sizes), dice.choice(sizes), *rest))
    return png_of(chunks)


def _png_chunk(dice, data, others):
    """Chunks moved, doubled, dropped, damaged under a right checksum, or made up."""
    chunks = _chunks(data)
    at, kind = dice.randrange(len(chunks)), dice.randrange(6)
    name, body = chunks[at]
    if kind == 0:
        chunks.insert(dice.randrange(len(chunks)), chunks.pop(at))
    elif kind == 1:
        chunks[at:at] = [chunks[at]] * dice.choice((1, 500))
    elif kind == 2:
        del chunks[at]
    elif kind == 3 and body:
        spot = dice.randrange(len(body))
        chunks[at] = (name, body[:spot] + dice.randbytes(2) + body[spot + 2 :])
    else:
        bomb = zlib.compress(bytes(dice.choice((100, 20_000_000))), 9)
        new = dice.choice(
            (b"zTXtComment\0\0" + bomb, b"iCCPx\0\0" + bomb, b"PLTE" + b"x" * 5, b"tRNS", b"eXIfII*\0\xff\xff\xff\xff",
             b"pHYs" + b"\0" * 9, b"acTL\xff\xff\xff\xff\0\0\0\0", b"IDAT" + bomb)
        )  # fmt: skip
        chunks.insert(dice.randrange(1, max(2, len(chunks))), (new[:4], new[4:]))
    return png_of(chunks)


def _jpeg_segment(dice, data, others):
    """A segment with another marker, length or first bytes (sizes, tables, components, orientation)."""
    spots, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        spots.append(at)
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    broken, at = bytearray(data), dice.choice([*spots, at])
    if dice.random() < 0.2:
        broken[at + 1] = dice.choice(
            (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE1, 0xEE, 0xFE)
        )
    for _ in range(dice.choice((1, 2, 4))):
        spot = at + 2 + dice.randrange(min(20, len(data) - at - 2))
        broken[spot] = dice.choice((0, 1, 0xFF, dice.randrange(256)))
    return bytes(broken)


ANYWHERE = [_flip, _flip_at_the_ends, _truncate, _splice, _insert, _other_head]
LIES = {
    "tif": [_tag, _tag, _size_tag, _directory, _description],
    "png": [_png_header, _png_chunk],
    "jpg": [_jpeg_segment],
}
