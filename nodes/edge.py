"""The edge of every node: its numbers are numbers, and what it says when it refuses is short and can be printed."""

from __future__ import annotations

import functools
import math

LONGEST = 1000
"""Characters of an error message; a text of megabytes may have been quoted."""


def with_edge(node):
    """The node class, its `execute` changed in place: every node of the pack goes through here, see `__init__`.

    A float that is NaN or infinite gets a ValueError (ComfyUI lets NaN pass its limits). A ValueError keeps its place
    and loses whatever cannot be printed: a lone surrogate, which a widget or a file's name may hold, would end the
    thread of ComfyUI that runs the prompts when the message is logged.
    """
    execute = node.execute.__func__

    @functools.wraps(execute)
    def checked(cls, *args, **kwargs):
        try:
            for name, value in kwargs.items():
                if isinstance(value, float) and not math.isfinite(value):
                    raise ValueError(f"{name} is {value}, which is no number to work with. Set it to a finite one.")
            return execute(cls, *args, **kwargs)
        except ValueError as error:
            text = printable(str(error))
            if type(error) is ValueError and text == str(error):
                raise
            raise ValueError(text).with_traceback(error.__traceback__) from None

    node.execute = classmethod(checked)
    return node


def printable(text: str) -> str:
    """One line of at most LONGEST characters; what cannot be printed is escaped as in Python."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 300]} ... {text[-200:]}"
    line = " ".join(text.split())
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
    return escaped if len(escaped) <= LONGEST else f"{escaped[: LONGEST - 4]} ..."
