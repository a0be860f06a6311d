"""Attention temperature tau for other numbers of tokens; `style_injection.py` is where tau scales the logits."""

from __future__ import annotations

import math


def token_scale(tokens: int, trained_tokens: float) -> float:
    """Factor on the logits for another number of tokens than the model was trained at: sqrt(log N / log T).

    Keeps the entropy of the attention where the model learnt it.

    Args:
        tokens: N, keys that a query sees. trained_tokens: T, keys at the size of the training.
    Returns:
        1 where both are the same, above 1 for more tokens.
    Source: Jin et al. 2023, Training-free Diffusion Model Adaptation for Variable-Sized Text-to-Image Synthesis
        (NeurIPS), equation for the scaling factor.
    """
    return math.sqrt(math.log(max(tokens, 2)) / math.log(max(trained_tokens, 2)))
