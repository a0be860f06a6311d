"""What is to be made: listed while the run goes on, claimed before it is given out, given out again if it came back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from .claims import Claims
from .listing import Item, missing

_AVOIDED = 5.0
"""Seconds that an item waits for another worker than the one that failed with it."""


class Todo:
    """Items for all workers of a run; every method may be called by many threads.

    there, elsewhere: how many pictures were made before, and are another runner's.
    """

    def __init__(self, items: Iterator[Item], claims: Claims, workers: int = 1):
        self._items, self._claims, self.workers = items, claims, workers
        self._back: deque[tuple[float, Item]] = deque()
        self._out: set[str] = set()
        self._ended = self._closed = False
        self._changed = threading.Condition()
        self.there = self.elsewhere = 0

    def take(self, worker: str, patience: float | None = None) -> Item | None:
        """The next item; None when all is done, or when `patience` seconds brought none.

        Raises: what listing and claiming raise (FleetError, OSError).
        """
        deadline = None if patience is None else time.monotonic() + patience
        with self._changed:
            while not self._closed:
                item = self._returned(worker) or self._next()
                if item is not None:
                    self._out.add(item.name)
                    return item
                if self._ended and not self._out and not self._back:
                    self._changed.notify_all()
                    return None
                if deadline is not None and time.monotonic() >= deadline:
                    return None
                self._changed.wait(0.5 if deadline is None else max(0.0, min(0.5, deadline - time.monotonic())))
            return None

    def finished(self, item: Item, failed: bool = False) -> None:
        """Made, or given up (failed)."""
        (self._claims.failed if failed else self._claims.release)(item.name)
        with self._changed:
            self._out.discard(item.name)
            self._changed.notify_all()

    def come_back(self, item: Item, worker: str, charged: bool) -> None:
        """Another attempt, by another worker where there is one."""
        left = missing(item)  # some branches may have been placed before it failed
        with self._changed:
            if left is not None and not self._closed:
                attempts, losses = item.attempts + charged, item.losses + (not charged)
                left = replace(left, attempts=attempts, losses=losses, avoid=worker)
                self._back.append((time.monotonic(), left))
            else:
                self._claims.release(item.name)
            self._out.discard(item.name)
            self._changed.notify_all()

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to give out or to come back."""
        with self._changed:
            return self._closed or (self._ended and not self._out and not self._back)

    def close(self) -> None:
        """Gives out nothing more; what is out keeps its claims until it is finished."""
        with self._changed:
            self._closed = True
            for _, item in self._back:
                self._claims.release(item.name)
            self._back.clear()
            self._changed.notify_all()

    def release_all(self) -> None:
        """The run has ended: claims of what nobody finished go."""
        with self._changed:
            for name in self._out:
                with contextlib.suppress(OSError):
                    self._claims.release(name)
            self._out.clear()
        self._claims.forget_failed()

    def _returned(self, worker: str) -> Item | None:
        now = time.monotonic()
        for number, (since, item) in enumerate(self._back):
            if self.workers == 1 or item.avoid != worker or now - since > _AVOIDED:
                del self._back[number]
                return item
        return None

    def _next(self) -> Item | None:
        while not self._ended:
            item = next(self._items, None)
            if item is None:
                self._ended = True
                return None
            if missing(item) is None:
                self._claims.tidy(item.name)
                self.there += 1
            elif not self._claims.take(item.name):
                self.elsewhere += 1
            elif (left := missing(item)) is None:  # another runner made it between the two looks
                self._claims.release(item.name)
                self.there += 1
            else:
                return left
        return None
