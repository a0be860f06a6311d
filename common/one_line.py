"""A text from anywhere as one line that can be shown and logged."""

from __future__ import annotations


def printable(text: str, longest: int) -> str:
    """One line of at most `longest` characters; what cannot be printed is escaped as in Python.

    A text that is longer keeps its end as well as its start: what to do often stands there.
    """
    line = " ".join(text.split())
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
    if len(escaped) <= longest:
        return escaped
    end = longest // 5
    return f"{escaped[: longest - end - 5]} ... {escaped[-end:]}"
