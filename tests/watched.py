"""What a piece of code touches and takes while it runs: files, processes, sockets, memory, time."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import time
from pathlib import Path

from places import ROOT

TOUCHES = ("open", "os.", "shutil.", "subprocess.", "socket.", "pickle.find_class", "ctypes.dlopen", "urllib.")
# where Python itself reads when a module is first used
LIBRARIES = tuple({*sysconfig.get_paths().values(), os.path.realpath(sys.base_prefix)})
CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_active: list[tuple[list, set[int]]] = []  # what is found, and the threads that were at other work before


def _hook(event: str, args: tuple) -> None:
    if _active and event.startswith(TOUCHES):
        found, others = _active[-1]
        if threading.get_ident() not in others:
            found.append((event, args))


def _install() -> None:
    if not getattr(sys, "_cellstyle_watched", False):  # a hook cannot be taken away again
        sys._cellstyle_watched = True
        sys.addaudithook(_hook)


class Watched:
    """A context manager; afterwards `touched` (what besides reads of libraries and of `allowed`, by this thread and by
    those begun since), `megabytes` that the process grew to beyond what it had (0 where the system doesn't tell), and
    `seconds`."""

    def __init__(self, *allowed: Path):
        self.allowed = {os.path.realpath(path) for path in allowed}
        self.touched, self.megabytes, self.seconds = [], 0.0, 0.0

    def __enter__(self) -> Watched:
        _install()
        self._bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # of modules first used here
        if CLEAR.exists():
            CLEAR.write_text("5")  # the peak starts anew
        self._before = _peak()
        others = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
        _active.append(([], others))
        self._started = time.process_time()
        return self

    def __exit__(self, *_) -> None:
        self.seconds = time.process_time() - self._started
        sys.dont_write_bytecode = self._bytecode
        found, _ = _active.pop()
        self.megabytes = _peak() - self._before
        self.touched = [(event, args) for event, args in found if not self._is_harmless(event, args)]

    def _is_harmless(self, event: str, args: tuple) -> bool:
        if event in ("os.listdir", "os.scandir") and isinstance(args[0], str):
            return os.path.realpath(args[0]).startswith(LIBRARIES) or args[0] in sys.path  # where imports look
        if event != "open" or not isinstance(args[0], str | bytes | os.PathLike):
            return event == "open" and isinstance(args[0], int)  # a descriptor that is already open
        path, mode = os.path.realpath(os.fsdecode(args[0])), args[1] or ""
        writes = set(str(mode)) & set("wxa+") or (len(args) > 2 and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        ours = path.startswith(str(ROOT)) and path.endswith((".py", ".pyc"))
        return not writes and (path in self.allowed or ours or path.startswith(LIBRARIES))


class Most:
    """The most time and memory that any of several took."""

    def __init__(self):
        self.seconds, self.megabytes = 0.0, 0.0

    def note(self, seconds: float, megabytes: float) -> None:
        self.seconds, self.megabytes = max(self.seconds, seconds), max(self.megabytes, megabytes)

    def __str__(self) -> str:
        return f"at most {self.seconds:.2f} s and {self.megabytes:.0f} MB each"


def _peak() -> float:
    if not STATUS.exists():
        return 0.0
    return int(STATUS.read_text().split("VmHWM:")[1].split()[0]) / 1024
