"""Any text becomes one line that can be shown and logged."""

from __future__ import annotations

import random

import pytest
from cellstyle.common.one_line import printable
from cellstyle.micrograph.errors import MicrographError, in_one_sentence


def test_what_is_escaped_can_be_told_apart():
    assert printable("a\ud800b\0c\x1b", 100) == "a\\ud800b\\x00c\\x1b"
    assert printable("  two\n lines ", 100) == "two lines"


def test_a_long_text_keeps_its_start_and_its_end():
    text = "what was given " + "x" * 5000 + " what to do"
    said = printable(text, 200)
    assert len(said) == 200 and said.startswith("what was given ") and said.endswith(" what to do")
    assert printable("x" * 200, 200) == "x" * 200


@pytest.mark.parametrize("longest", [40, 200, 1000])
def test_any_characters_at_all(longest):
    dice = random.Random(longest)
    for _ in range(200):
        kinds = [range(32), range(0x20, 0x7F), range(0x7F, 0xA1), range(0xD800, 0xE000), range(0x110000)]
        text = "".join(chr(dice.choice(dice.choice(kinds))) for _ in range(dice.randrange(2 * longest)))
        said = printable(text, longest)
        assert said.isprintable() and len(said) <= longest and said.encode("utf-8") is not None


def test_what_a_reader_quotes_of_a_broken_file_is_shown_escaped():
    """libpng names an unknown chunk by its bytes, and which ones are left there depends on what was read before."""
    with pytest.raises(MicrographError) as caught, in_one_sentence("given.png"):
        raise OSError("bad chunk \x7f\u0235\ud800" + "\x1b" * 500)
    said = str(caught.value)
    assert "bad chunk \\x7f\u0235\\ud800\\x1b" in said and said.isprintable() and len(said) < 400
