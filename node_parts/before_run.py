"""Checks before a run, for `validate_inputs`, where ComfyUI gives None for what comes by a wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..engine.dials import Dials

ABSENT = object()
"""The default of a socket in `validate_inputs`: nothing is connected to it."""

# These raise: a returned text ComfyUI shows once for every input, with words of its own before it; a raised one once,
# as it is.


def check_values(node, values: Mapping[str, object]) -> None:
    """The limits and lists of a node's inputs, which ComfyUI leaves to a node that asks for their values.

    Args:
        node: the node's class. values: by input name; wires and what was not given are None.
    Raises:
        ValueError: a number outside its range, an entry that is not in its list.
    """
    for part in node.define_schema().inputs:
        value = values.get(part.id)
        least, most, options = (getattr(part, name, None) for name in ("min", "max", "options"))
        if isinstance(value, int | float) and least is not None and not least <= value <= most:
            raise ValueError(f"{part.id} is {value:g}; it goes from {least:g} to {most:g}.")
        if isinstance(value, str) and options and value not in options:
            raise ValueError(f"{part.id} is {value[:80]!r}; choose one of {', '.join(map(str, options))}.")


def check_queries(
    style_kv, content_query, gammas: Iterable[float | None], gamma_curve, gamma_end, start_percent, end_percent
) -> None:
    """Raises ValueError where the content's queries will be asked for and nothing is connected to give them."""
    known = None not in (gamma_curve, gamma_end, start_percent, end_percent)
    if style_kv is ABSENT or content_query is not ABSENT or not known or start_percent >= end_percent:
        return
    for gamma in gammas:
        if gamma is not None and Dials(gamma, gamma_curve=gamma_curve, gamma_end=gamma_end).keeps_queries:
            raise ValueError(
                f"gamma is {gamma:g}, which keeps the content's queries, but content_query is not connected. Connect "
                "content_query of DDIM Invert, or set gamma to 0."
            )


def check_guidance(cfg, negative) -> None:
    """Raises ValueError for guidance that has nothing to guide away from."""
    if cfg is not None and cfg > 1 and negative is ABSENT:
        raise ValueError(
            f"cfg is {cfg:g}, but negative is not connected. Connect a negative conditioning, or set cfg to 1."
        )
