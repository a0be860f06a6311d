"""The guard around every node: finite numbers, texts of limited length, error messages short and printable."""

from __future__ import annotations

import functools
import math

LONGEST = 1000
"""Characters of an error message, which may quote much longer texts."""
LONGEST_TEXT = 1_000_000
"""Characters of a text that a node takes: lists, names, a micrograph's metadata."""


def guarded(node):
    """The node class, its `execute` changed in place: every node of the pack goes through here, see `__init__`.

    NaN (which ComfyUI's limits let pass), infinity and endless texts get a ValueError. Every ValueError keeps its place
    and loses whatever cannot be printed: a lone surrogate, which a widget or a file's name may hold, would end the
    thread of ComfyUI that runs the prompts when the message is logged.
    """
    execute = node.execute.__func__

    @functools.wraps(execute)
    def checked(cls, *args, **kwargs):
        try:
            for name, value in kwargs.items():
                _check(name, value)
            return execute(cls, *args, **kwargs)
        except ValueError as error:
            text = printable(str(error))
            if type(error) is ValueError and text == str(error):
                raise
            raise ValueError(text).with_traceback(error.__traceback__) from None

    node.execute = classmethod(checked)
    return node


def _check(name: str, value) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}, which is no number to work with. Set it to a finite one.")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise ValueError(f"{name} is a text of {len(value):,} characters; at most {LONGEST_TEXT:,}. Shorten it.")


def printable(text: str) -> str:
    """One line of at most LONGEST characters; what cannot be printed is escaped as in Python."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 300]} ... {text[-200:]}"
    line = " ".join(text.split())
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
    return escaped if len(escaped) <= LONGEST else f"{escaped[: LONGEST - 4]} ..."
