"""Lists that a person writes into a text field."""

from __future__ import annotations

import re


def words_of(text: str, separators: str = r",;\s") -> list[str]:
    """The words of a list, in order, without the blanks around them: "0.3, 0.5" is ["0.3", "0.5"].

    separators: what may stand between two words, as inside the brackets of a regular expression.
    """
    return [word.strip() for word in re.split(f"[{separators}]+", text) if word.strip()]
