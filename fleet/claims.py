"""Claims: whoever makes a picture says so first, in a file that only one can create."""

from __future__ import annotations

import contextlib
import hashlib
import os

from .out_folder import OutFolder, SignsOfLife, full


class Claims:
    """Claims of one runner in a folder that others may use at the same time.

    A claim is a file HASH.N that holds its runner's name. The highest N counts: a dead runner's claim is taken over by
    creating the next, which again only one can. The claim of a picture that failed becomes HASH.failed: runners that
    began before leave it to the one that has reported it, and a later one tries again.
    """

    def __init__(self, out: OutFolder, signs: SignsOfLife):
        self.out, self.signs = out, signs
        self.folder = out.folder("claims")
        self._began = signs.now()
        self._found = {entry.partition(".")[0] for entry in os.listdir(self.folder)}

    def take(self, name: str) -> bool:
        """Whether the picture is now this runner's. Look for its outputs again afterwards: another may have made them.

        Raises: FleetError where the disk is full, OSError from it.
        """
        key = _key(name)
        number, holder = self._holder(key)
        if number and (holder == self.out.runner or self.signs.lives(holder)):
            return False
        try:
            handle = os.open(self.folder / f"{key}.{number + 1}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return False
        except OSError as error:
            raise full(error, self.out.root) or error from None
        with os.fdopen(handle, "w") as file:
            file.write(self.out.runner)
        if self._failed_meanwhile(key):
            self.release(name)
            return False
        return True

    def release(self, name: str) -> None:
        """The picture is made, or given up: its claims go."""
        key = _key(name)
        for number in range(self._highest(key), 0, -1):
            with contextlib.suppress(OSError):
                os.unlink(self.folder / f"{key}.{number}")

    def failed(self, name: str) -> None:
        """The picture is given up, and reported: no runner of now tries it again."""
        key = _key(name)
        with contextlib.suppress(OSError):
            claim = self.folder / f"{key}.{self._highest(key)}"
            os.utime(claim)
            os.replace(claim, self.folder / f"{key}.failed")
        self.release(name)

    def forget_failed(self) -> None:
        """The run has ended: where no other goes on, the next one tries again what failed."""
        if self.signs.alone():
            for entry in os.scandir(self.folder):
                if entry.name.endswith(".failed"):
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)

    def tidy(self, name: str) -> None:
        """Removes an older claim on a picture that is made, if the runner that held it was killed."""
        key = _key(name)
        if key in self._found and not self.signs.lives(self._holder(key)[1]):
            self.release(name)

    def _holder(self, key: str) -> tuple[int, str]:
        number = self._highest(key)
        try:
            holder = (self.folder / f"{key}.{number}").read_text() if number else ""
        except OSError:
            holder = ""
        if number and not holder:  # created a moment ago and not yet written, or its writer died just then
            holder = self.out.runner if self._is_fresh(key, number) else ""
        return number, holder

    def _highest(self, key: str) -> int:
        number = 0
        while os.path.lexists(self.folder / f"{key}.{number + 1}"):
            number += 1
        return number

    def _failed_meanwhile(self, key: str) -> bool:
        try:
            return os.stat(self.folder / f"{key}.failed").st_mtime >= self._began
        except OSError:
            return False

    def _is_fresh(self, key: str, number: int) -> bool:
        with contextlib.suppress(OSError):
            return abs(os.stat(self.folder / f"{key}.{number}").st_mtime - self.signs.now()) < 60
        return True


def _key(name: str) -> str:
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
