"""Watches one prompt while it waits and runs: the server's life, the time limit, and whether the run is to end."""

from __future__ import annotations

import time
from collections.abc import Callable

from comfy_events import ComfyError, Event

from .errors import Stopped
from .station import Station


class Hung(ComfyError):
    """A prompt took longer than a picture may."""


class Watch:
    """begun: whether the server began with the prompt; until then a failure is another prompt's.

    A picture may take `limit` seconds from its beginning. A server of our own may take `lanes` + 1 times as long from
    the moment that it was asked, because no one else asks it; somebody's server may have a long queue.
    """

    def __init__(self, station: Station, stopping: Callable[[], bool], limit: float, lanes: int):
        self.station, self.stopping, self.limit = station, stopping, limit
        self.prompt_id, self.begun = "", False
        self._patience, self._since, self._calls = (lanes + 1) * limit, time.monotonic(), 0

    def submitted(self, prompt_id: str) -> None:
        """The server has taken the prompt."""
        self.prompt_id, self._since = prompt_id, time.monotonic()

    def on_event(self, event: Event) -> None:
        """A message about the prompt. Raises Hung, Stopped."""
        if not self.begun:
            self.begun, self._since = True, time.monotonic()
        if not event.final:
            self._check()

    def look(self) -> None:
        """Called about once a second while nothing is heard. Raises Hung, Stopped, ServerDied."""
        self._check()
        self._calls += 1
        if self.prompt_id:
            self.station.alive(self.prompt_id, self._calls)

    def _check(self) -> None:
        if self.stopping():
            raise Stopped
        seconds = time.monotonic() - self._since
        if seconds > (self.limit if self.begun else self._patience if self.station.owned else float("inf")):
            raise Hung(f"It took longer than {self.limit:g} s (--time-limit).")
