"""Layers as a person writes them: "output.6-11, middle"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...common.word_lists import words_of
from ...features.layer_key import LayerKey

_WORD = re.compile(r"([a-z]+)(?:\.(\d+)(?:-(\d+))?)?")


def select_layers(
    text: str, available: Sequence[LayerKey], auto: Sequence[LayerKey], blocks: Sequence[str], kind: str, example: str
) -> tuple[LayerKey, ...]:
    """Layers named by a person, in the order they run.

    Args:
        text: "auto", or blocks separated by commas: "output.6-11", "output.7, output.9", "middle" (all of it).
        available: all of the model's, in the order they run. auto: those that "auto" stands for.
        blocks: names of blocks that this kind of model can have. kind, example: for messages, such as "UNet".
    Raises:
        ValueError: quotes the word that is wrong and says which blocks there are.
    """
    words = words_of(text.lower())
    if not words:
        first = example.split(",")[0]
        raise ValueError(f'layers is empty; write "auto" or blocks such as {first}.')
    chosen: set[LayerKey] = set()
    for word in words:
        chosen.update(auto if word == "auto" else _select_word(word, available, blocks, kind, example))
    return tuple(layer for layer in available if layer in chosen)


def block_range(word: str) -> tuple[str, int | None, int | None] | None:
    """(block, first, last) of "output.3-5"; first and last None for the whole block; None for anything else."""
    match = _WORD.fullmatch(word)
    if not match:
        return None
    block, first, last = match.groups()
    return block, int(first) if first else None, int(last or first) if first else None


def _select_word(
    word: str, available: Sequence[LayerKey], blocks: Sequence[str], kind: str, example: str
) -> list[LayerKey]:
    block, low, high = block_range(word) or (None, None, None)
    if block not in blocks:
        raise ValueError(f'layers: "{word}" is not understood. Write "auto", or blocks such as {example}.')
    numbers = sorted({layer.number for layer in available if layer.block == block})
    if not numbers:
        raise ValueError(f'layers: "{word}": this {kind} has no self-attention in its {block} blocks.')
    low = 0 if low is None else low
    high = numbers[-1] if high is None else high
    picked = [layer for layer in available if layer.block == block and low <= layer.number <= high]
    if high < low or high > numbers[-1] or not picked:
        where = f"{block} blocks {_ranges(numbers)}" if block != "middle" else "the middle block"
        raise ValueError(f'layers: "{word}" is not in this {kind}; it has self-attention in {where}.')
    return picked


def _ranges(numbers: list[int]) -> str:
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
