"""The folder of results and what a run keeps beside them: drafts, claims, its record, manifests, captured styles."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
import uuid
from pathlib import Path

from .errors import FleetError

STATE = "cellstyle-batch"
"""Name of the folder, inside the folder of results, that holds everything but results."""
BEAT = 10.0
"""Seconds between two signs of life of a runner."""
SILENCE = 90.0
"""Seconds without one after which another runner may take its pictures."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


class OutFolder:
    """`root` with its state folder. `runner`: the name that claims and manifest files of this process carry."""

    def __init__(self, root: Path, runner: str | None = None):
        self.root = Path(root)
        self.state = self.root / STATE
        self.runner = runner or f"{_machine()}+{os.getpid()}+{uuid.uuid4().hex[:8]}"

    def folder(self, name: str) -> Path:
        """A folder of the state, made if it is not there."""
        path = self.state / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def draft(self) -> Path:
        """A path for a file on its way; on the results' own file system, so that it can be renamed into place."""
        return self.folder("drafts") / f"{self.runner}+{uuid.uuid4().hex[:12]}"

    def place(self, data: bytes, target: Path) -> None:
        """Writes a whole file or none: draft, sync, rename. Raises FleetError for a disk that is full, else OSError."""
        draft = self.draft()
        try:
            with open(draft, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(draft, target)
            _sync_folder(target.parent)
        except OSError as error:
            raise full(error, self.root) or error from None
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)

    def publish(self, data: bytes, target: Path) -> bytes:
        """Writes a file unless another runner was first; returns what is there."""
        draft = self.draft()
        try:
            draft.write_bytes(data)
            with contextlib.suppress(FileExistsError):
                os.link(draft, target)
        except OSError as error:
            raise full(error, self.root) or error from None
        finally:
            draft.unlink(missing_ok=True)
        return target.read_bytes()

    def remove_abandoned(self) -> None:
        """Drafts, and signs of life, of runners that live no more."""
        signs = SignsOfLife(self)
        for entry in [*os.scandir(self.folder("drafts")), *os.scandir(self.folder("runners"))]:
            if not signs.lives("+".join(entry.name.removeprefix(".clock-").split("+")[:3])):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


class SignsOfLife:
    """Tells living runners from dead ones: by the process on this machine, by a file that is touched on others."""

    def __init__(self, out: OutFolder):
        self.out = out
        self.folder = out.folder("runners")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to give signs of life, until `stop`."""
        (self.folder / self.out.runner).touch()
        self._thread = threading.Thread(target=self._beat, name="signs-of-life", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more signs, and the file is gone."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        with contextlib.suppress(OSError):
            (self.folder / self.out.runner).unlink(missing_ok=True)

    def lives(self, runner: str) -> bool:
        """Whether a runner may still be at work."""
        if runner == self.out.runner or not runner:
            return bool(runner)
        machine, pid = [*runner.split("+"), ""][:2]
        if machine == _machine() and pid.isdigit() and not _runs(int(pid)):
            return False
        try:
            silent = self.now() - (self.folder / runner).stat().st_mtime
        except OSError:
            return False
        return silent < SILENCE

    def alone(self) -> bool:
        """Whether no other runner is at work in this folder."""
        names = {entry for entry in os.listdir(self.folder) if not entry.startswith(".")} - {self.out.runner}
        return not any(self.lives(name) for name in names)

    def _beat(self) -> None:
        while not self._stop.wait(BEAT):
            with contextlib.suppress(OSError):  # a full disk is found by those who write
                os.utime(self.folder / self.out.runner)

    def now(self) -> float:
        """The file system's own clock, which may not be this machine's."""
        probe = self.folder / f".clock-{self.out.runner}"
        with contextlib.suppress(OSError):
            probe.touch()
            os.utime(probe)
            found = probe.stat().st_mtime
            probe.unlink()
            return found
        return time.time()


def full(error: OSError, folder: Path) -> FleetError | None:
    """What ends the run, where an error says that nothing more can be written; None for other errors."""
    if error.errno not in _FULL:
        return None
    return FleetError(
        f"Nothing more can be written to {folder} ({os.strerror(error.errno)}). Everything finished is kept: "
        "make room, and run the same command again."
    )


def _machine() -> str:
    """This machine's name, with what tells containers of one name apart: the boot, and the processes it sees."""
    parts = [socket.gethostname().replace("+", "-").replace("/", "-")]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
        parts.append(os.readlink("/proc/self/ns/pid").strip("pid:[]"))
    return "_".join(parts)


def _runs(pid: int) -> bool:
    if os.name == "nt":
        return True  # judged by its signs of life
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
