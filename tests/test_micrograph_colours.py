"""Pseudo-colour: what the file says, what `auto` makes of it, and what readers see of that."""

import itertools

import numpy as np
import pytest
from cellstyle.micrograph.channel_colours import BALANCED, choose_colours
from cellstyle.micrograph.luts import rgb_of
from cellstyle.micrograph.source import Channel
from skimage.color import rgb2lab

# Machado, Oliveira and Fernandes 2009, severity 1: linear RGB as one without a kind of cone sees it
SEEN = {
    "by all cones": np.eye(3),
    "protanope": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranope": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanope": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
INVERTED = np.linspace(1, 0, 256, dtype=np.float32)[:, None].repeat(3, 1)


def lab(colour, eyes):
    rgb = rgb_of(colour).astype(float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ np.array(SEEN[eyes]).T
    linear = np.clip(linear, 0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)[None, None])[0, 0]


@pytest.mark.parametrize(("count", "least"), [(2, 100), (3, 50), (4, 35), (5, 24)])
def test_balanced_palettes_are_even_in_lightness_and_tell_channels_apart_for_every_reader(count, least):
    colours = BALANCED[count]
    light = [lab(colour, "by all cones")[0] for colour in colours]
    assert len(colours) == count and min(light) > 65 and max(light) - min(light) < 14
    for eyes in SEEN:
        seen = [lab(colour, eyes) for colour in colours]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > least


def chosen(text, *colours, names="ABCDEFGH"):
    made = [Channel(name, None if isinstance(c, np.ndarray) else c, c if isinstance(c, np.ndarray) else None)
            for name, c in zip(names, colours, strict=False)]  # fmt: skip
    return choose_colours(text, made)


@pytest.mark.parametrize(
    ("text", "own", "want"),
    [
        ("auto", [None], ["gray"]),
        ("auto", ["#00ff00"], ["gray"]),
        ("own", ["#00ff00"], ["#00ff00"]),
        ("auto", [None, None], list(BALANCED[2])),
        ("auto", ["#ffffff", "#ffffff"], list(BALANCED[2])),
        ("auto", ["#ff0000", "#00ff00"], ["#ff0000", "#00ff00"]),
        ("auto", ["#ff0000", "#ffffff", "#ffffff"], ["#ff0000", "#ffffff", "#ffffff"]),
        ("auto", ["#0000ff", "#0000ff"], list(BALANCED[2])),
        ("own", ["#0000ff", "#00ff00"], ["#0000ff", "#00ff00"]),
        ("auto", ["#ff0000", "#00ff00", "#0000ff"], ["#ff0000", "#00ff00", "#0000ff"]),
        ("Fire", [None, None], ["fire", "fire"]),
        ("own, red", ["#00ff00", "#00ff00"], ["#00ff00", "red"]),
        (" own,, red ,", ["#00ff00", "#00ff00"], ["#00ff00", "red"]),
        ("own", [None, None], list(BALANCED[2])),
    ],
)
def test_colours_are_taken_from_the_text_then_the_file_then_a_balanced_palette(text, own, want):
    assert chosen(text, *own)[0] == want


def test_the_default_blue_and_channels_without_a_colour_get_one_that_the_others_have_not():
    for own in ("#0000ff", None):
        names, notes = chosen("auto", own, "#00ff00")
        assert names[1] == "#00ff00" and lab(names[0], "by all cones")[0] > 65
        assert np.abs(rgb_of(names[0]) - rgb_of("#00ff00")).sum() > 1
        assert names[0] in notes[0] and ("pseudo_colour own" in notes[0]) == (own is not None)


def test_tables_stay_tables_and_names_that_are_colours_are_colours():
    names, notes = chosen("auto", INVERTED, "#00ff00")
    assert names[0] is INVERTED and "A own table" in notes[0]
    assert chosen("auto", INVERTED)[0][0] is INVERTED
    assert chosen("auto", None, None, names=["Cyan", "grey"])[0] == ["#00ffff", "#ffffff"]


def test_a_colour_that_is_not_known_is_quoted_and_counts_are_named():
    with pytest.raises(ValueError, match="'purple' is not known"):
        chosen("purple", None)
    with pytest.raises(ValueError, match="2 colours for 3 channels"):
        chosen("red,green", None, None, None)


def test_more_channels_than_the_longest_palette_go_round():
    assert chosen("auto", *[None] * 7)[0] == [*BALANCED[5], *BALANCED[5][:2]]
