"""Query preservation as a schedule over the sampling steps; `style_injection.py` is where gamma blends the queries."""

from __future__ import annotations

import math

CURVES = ("constant", "linear", "cosine", "sqrt")


def gamma_at(progress: float, start: float, end: float, curve: str) -> float:
    """Query preservation gamma at a point of the sampling.

    Args:
        progress: 0 at the first (noisiest) step, 1 at the last.
        start, end: gamma at either end, 0 .. 1.
        curve: "constant" (start throughout), "linear", "cosine" (leaves start slowly, arrives at end slowly) or
            "sqrt" (leaves start fast).
    Raises:
        ValueError: unknown curve.
    Source: Kulkarni 2026, Scheduled Style Injection (arXiv 2605.26538).
    """
    progress = min(max(progress, 0.0), 1.0)
    if curve == "constant":
        return start
    if curve == "linear":
        along = progress
    elif curve == "cosine":
        along = (1 - math.cos(math.pi * progress)) / 2
    elif curve == "sqrt":
        along = math.sqrt(progress)
    else:
        raise ValueError(f"gamma_curve {curve!r} is unknown; choose one of {', '.join(CURVES)}.")
    return start + (end - start) * along
