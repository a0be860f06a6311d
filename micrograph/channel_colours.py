"""Which colour each channel is shown in.

The palettes of `auto` are even in lightness (CIE L* 66 to 80, so that no channel vanishes in gray, where pure blue has
32) and stay apart for readers without one kind of cone: their least CIE76 difference, also as protanopes, deuteranopes
and tritanopes see them by Machado, Oliveira and Fernandes 2009, is 105 for two, 51 for three, 36 for four and 24 for
five colours.
"""

from __future__ import annotations

import re

import numpy as np

from .choices import words_of
from .errors import MicrographError
from .luts import COLOURS, MAPS, rgb_of
from .source import Channel

ALIASES = {"grey": "gray", "grays": "gray", "greys": "gray", "white": "gray"}
BALANCED = {
    1: ("gray",),
    2: ("#00aaff", "#ff8000"),
    3: ("#b291f2", "#62d9b1", "#ff8000"),
    4: ("#9999ff", "#00d9d9", "#ff9326", "#d9bc82"),
    5: ("#a1c3e6", "#00d900", "#e68a99", "#d9bc82", "#bb99ff"),
}
DEFAULT_BLUE = "#0000ff"
NAMED = {"red", "green", "blue", "cyan", "magenta", "yellow", "gray", "grey"}
OWN_TABLE = "own table"
Colour = str | np.ndarray


def choose_colours(text: str, channels: list[Channel]) -> tuple[list[Colour], list[str]]:
    """One lookup table a channel, and notes on what was chosen.

    Args:
        text: names, separated by commas, or one for all, such as "green, magenta" or "#ff8000". "own" is the file's
            colour or table; "auto" too, except that of one channel alone, of channels that all have the same, and of
            the default blue: these get a balanced palette, as do channels without any.
        channels: those shown, in order.
    Raises: MicrographError that quotes the word, or names both counts.
    """
    count = len(channels)
    words = [word for word in words_of(text.lower()) if word] or ["auto"]
    words = words * count if len(words) == 1 else words
    if len(words) < count:
        raise MicrographError(
            f"pseudo_colour names {len(words)} colours for {count} channels. Name one for each, or auto."
        )
    auto = _auto(channels)
    usual = BALANCED.get(count) or [BALANCED[5][n % 5] for n in range(count)]
    names: list[Colour] = []
    for n, word in enumerate(words[:count]):
        name = ALIASES.get(word, word)
        if name == "auto":
            names.append(auto[n])
        elif name == "own":
            own = _own(channels[n])
            names.append(usual[n] if own is None else own)
        elif name in COLOURS or name in MAPS or re.fullmatch("#[0-9a-f]{6}", name):
            names.append(name)
        else:
            raise MicrographError(
                f"pseudo_colour: {word[:40]!r} is not known. Use auto, own, {', '.join([*COLOURS, *MAPS])} or #rrggbb."
            )
    return names, _notes(words, names, channels)


def shown_as(colour: Colour) -> str:
    """What the metadata call it."""
    return colour if isinstance(colour, str) else OWN_TABLE


def _auto(channels: list[Channel]) -> list[Colour]:
    """The file's colours where they tell the channels apart, balanced ones in the place of the others."""
    own = [_own(channel) for channel in channels]
    if len(channels) == 1:  # gray, unless the file has a table of several colours for it
        return [own[0] if isinstance(own[0], np.ndarray) else "gray"]
    plain = [colour for colour in own if isinstance(colour, str)]
    if len(plain) == len(own) and len(set(plain)) == 1:
        own = [None] * len(own)
    # red, green and blue together are a colour picture; else pure blue, which is hardly seen, is replaced
    if sorted(plain) != sorted(("#ff0000", "#00ff00", DEFAULT_BLUE)):
        own = [None if isinstance(colour, str) and colour == DEFAULT_BLUE else colour for colour in own]
    if all(colour is None for colour in own):
        return [BALANCED[5][n % 5] for n in range(len(own))] if len(own) > 5 else list(BALANCED[len(own)])
    chosen, taken = list(own), set(plain)
    for n, colour in enumerate(own):
        if colour is None:
            chosen[n] = _farthest(taken) if len(own) <= 5 else BALANCED[5][n % 5]
            taken.add(chosen[n])
    return chosen


def _own(channel: Channel) -> Colour | None:
    """The file's table or colour of a channel; a colour's name says one too."""
    if channel.lut is not None:
        return channel.lut
    name = channel.name.strip().lower()
    return channel.colour or (COLOURS[ALIASES.get(name, name)] if name in NAMED else None)


def _farthest(taken: set[str]) -> str:
    """The balanced colour that differs most from those that are taken."""
    every = [colour for palette in list(BALANCED.values())[1:] for colour in palette]
    return max(every, key=lambda one: min((float(np.abs(rgb_of(one) - rgb_of(t)).sum()) for t in taken), default=0))


def _notes(words: list[str], names: list[Colour], channels: list[Channel]) -> list[str]:
    if "auto" not in words:
        return []
    if len(channels) == 1 and _own(channels[0]) is None:
        return []
    told = ", ".join(f"{c.name} {shown_as(n)}" for c, n in zip(channels, names, strict=True))
    replaced = any(
        w == "auto" and _own(c) is not None and not np.array_equal(_own(c), n)
        for w, c, n in zip(words, channels, names, strict=False)
    )
    return [f"colours: {told}{'; pseudo_colour own shows those of the file' if replaced else ''}"]
