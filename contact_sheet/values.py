"""Lists of numbers as people write them."""

from __future__ import annotations

import math

from ..common.word_lists import words_of


def parse_values(text: str, what: str, low: float, high: float, example: str) -> list[float]:
    """Numbers from a text such as "0.3, 0.5, 0.75"; commas, semicolons, spaces and line ends separate them.

    Args:
        what: name of the input, for the messages. low, high: the range, both ends included.
    Raises:
        ValueError: quotes the word that is no number, out of range, or there twice; no number at all.
    """
    words = words_of(text)
    if not words:
        raise ValueError(f"{what} is empty; write numbers such as {example}.")
    values: list[float] = []
    for word in words:
        try:
            value = float(word)
        except ValueError:
            raise ValueError(f'{what}: "{word[:40]}" is not a number; write numbers such as {example}.') from None
        if not math.isfinite(value) or not low <= value <= high:
            raise ValueError(
                f'{what}: "{word[:40]}" is outside {low:g} to {high:g}. Decimals have a point, and commas separate '
                f"values, such as {example}."
            )
        if value in values:
            raise ValueError(
                f'{what}: "{word[:40]}" is there twice; each value makes its own pictures, so write it once.'
            )
        values.append(value)
    return values
