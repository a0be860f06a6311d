"""Which of many files to keep: the smallest that together lead a parser everywhere that all of them do."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path


def covering(read: Callable[[Path], object], files: Iterable[Path], folders: Iterable[str]) -> Iterable[Path]:
    """Those files, smallest first, that reach a step from line to line which no smaller one has reached.

    read: what is called with each file; what it raises is left aside. folders: whose code counts.
    """
    known: set[tuple] = set()
    for file in sorted(files, key=lambda file: (file.stat().st_size, file.name)):
        found = steps(read, file, tuple(folders))
        if not found <= known:
            known |= found
            yield file


def steps(read: Callable[[Path], object], file: Path, folders: tuple[str, ...]) -> set[tuple]:
    """(code, line, next line) of every step of `read(file)` in the code of these folders."""
    found: set[tuple] = set()

    def follow(frame, event, argument):
        if not frame.f_code.co_filename.startswith(folders):
            return None
        before = 0

        def step(frame, event, argument):
            nonlocal before
            found.add((frame.f_code, before, frame.f_lineno))
            before = frame.f_lineno
            return step

        return step

    tracer = sys.gettrace()
    sys.settrace(follow)
    try:
        read(file)
    except Exception:
        pass
    finally:
        sys.settrace(tracer)
    return found
