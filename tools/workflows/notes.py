"""How large a note has to be: the front end draws its Markdown at 10 pixels, and cuts off what does not fit."""

from __future__ import annotations

import re
import textwrap

WIDTHS = (300, 420, 560)
INDENT, LETTER = 56, 4.8  # pixels: beside the text, and of a letter
LINE, BETWEEN, AROUND = 16, 5, 34
HEADING = 40  # what a heading has more than a line


def note_sizes(text: str) -> list[tuple[int, int]]:
    """Width and height of a note with this text in each of the usual widths."""
    return [(width, note_height(text, width)) for width in WIDTHS]


def note_height(text: str, width: int) -> int:
    """The height at which a note of a width shows all of its text, in both ways in which the front end draws nodes."""
    blocks = [" ".join(block.split()) for block in re.split(r"\n(?=- |#|---|\d\. )|\n\n|(?<=---)\n", text.strip())]
    letters = int((width - INDENT) / LETTER)
    lines = sum(len(textwrap.wrap(re.sub(r"[*`]", "", block), letters)) for block in blocks)
    headings = sum(block.startswith("#") for block in blocks)
    return LINE * lines + BETWEEN * len(blocks) + HEADING * headings + AROUND
