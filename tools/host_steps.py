"""What preparing a host is built on: stages that say what they do, commands, one run at a time, disk space."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from host_layout import HostError

GIB = 1024**3
NETWORK_SIGNS = (
    "error sending request",
    "dns error",
    "failed to establish a new connection",
    "newconnectionerror",
    "connection refused",
    "connection reset",
    "connecttimeout",
    "timed out",
    "name resolution",
    "network is unreachable",
    "tcp connect error",
    "client error (connect)",
    "connection error",
)


class CommandFailed(RuntimeError):
    """A command ended with a code other than 0; `output` is what it wrote, as far as it was captured."""

    def __init__(self, command: list[str], code: int, output: str):
        super().__init__(f"{Path(command[0]).name} ended with exit code {code}")
        self.output = output

    @property
    def last_lines(self) -> str:
        """The end of the output, where tools say what went wrong."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return " | ".join(lines[-4:])

    @property
    def network(self) -> bool:
        """Whether the output reads like a network that isn't there."""
        text = self.output.lower()
        return any(sign in text for sign in NETWORK_SIGNS)


class Stages:
    """Announces numbered stages with the time since the start: `[2/5]  12 s  text`."""

    def __init__(self, total: int, say: Callable[[str], None] = print):
        self.total, self.say = total, say
        self.number, self.started = 0, time.monotonic()

    def next(self, text: str) -> None:
        """Begin the next stage."""
        self.number += 1
        self.say(f"[{self.number}/{self.total}] {self.elapsed:4.0f} s  {text}")

    def note(self, text: str) -> None:
        """A line under the current stage."""
        self.say(f"      {self.elapsed:4.0f} s  {text}")

    @property
    def elapsed(self) -> float:
        """Seconds since the first stage."""
        return time.monotonic() - self.started


def run_command(
    command: list[str],
    stages: Stages | None = None,
    *,
    show: bool = False,
    env: dict[str, str] | None = None,
    keep_open: tuple[int, ...] = (),
) -> str:
    """Run a command to its end and return what it wrote; CommandFailed for an exit code other than 0.

    show: on a terminal, let it draw its own progress there (its output is then not captured). Otherwise a line every
    15 s says that it is still at work. The command is ended when this process is interrupted. keep_open: file
    descriptors the command holds on to as well, such as a lock.
    """
    terminal = show and sys.stderr.isatty()
    with tempfile.TemporaryFile() as sink:
        output = None if terminal else sink
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(env or {})},
            pass_fds=keep_open if os.name == "posix" else (),
        )
        try:
            while True:
                try:
                    code = process.wait(timeout=15)
                    break
                except subprocess.TimeoutExpired:
                    if stages and not terminal:
                        stages.note("still at work")
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
            process.wait()
            raise
        sink.seek(0)
        text = sink.read().decode("utf-8", "replace")
    if code:
        raise CommandFailed(command, code, text)
    return text


def check_space(folder: Path, needed: float, what: str) -> None:
    """HostError when the disk of `folder` (which need not exist yet) has fewer than `needed` bytes free."""
    existing = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise HostError(
            f"{what} needs about {needed / GIB:.0f} GB of free disk space in {folder}; there are {free / GIB:.1f} GB."
        )


@contextlib.contextmanager
def only_one(path: Path, say: Callable[[str], None] = print) -> Iterator[int]:
    """Hold the lock file `path`, waiting (and saying so) while another process has it; yields its file descriptor.

    The system drops the lock when the last process that has the descriptor ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        told = False
        while not _try_lock(descriptor):
            if not told:
                say("Another run is preparing the host; waiting for it to finish.")
                told = True
            time.sleep(0.2)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there completely or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
