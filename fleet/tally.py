"""How a run stands: counts, failures, why it stops; and the bar that shows it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

from .errors import ALL_GOOD, COULD_NOT_RUN, INTERRUPTED, SOME_FAILED, first_line
from .listing import Item, missing
from .manifest import DONE, FAILED
from .worker import Outcome

NAMED = 20
"""Failed pictures that the summary names; the manifest has all."""
_LINE_EVERY = 60.0


class Stop:
    """Why the run ends before its end; the first reason counts."""

    def __init__(self) -> None:
        self._event, self._lock = threading.Event(), threading.Lock()
        self.reason, self.code = "", ALL_GOOD

    def __call__(self) -> bool:
        return self._event.is_set()

    def now(self, reason: str, code: int = COULD_NOT_RUN) -> None:
        """Ends the run."""
        with self._lock:
            if not self._event.is_set():
                self.reason, self.code = reason, code
                self._event.set()

    def wait(self, seconds: float) -> bool:
        """Sleeps unless the run ends; whether it does."""
        return self._event.wait(seconds)


class Tally:
    """Counts outcomes (of pictures; a picture in three styles is one) and shows them. most_failures: in a row."""

    def __init__(self, stop: Stop, quiet: bool = False, most_failures: int = 20, stream=None):
        self.stop, self.most_failures = stop, most_failures
        self.done = self.failed = self.retried = 0
        self.failures: list[str] = []
        self.started = time.monotonic()
        self._in_a_row, self._lock = 0, threading.Lock()
        self._display = _Display(stream or sys.stderr, quiet)

    def count(self, items: Iterator[Item]) -> None:
        """Learns in a thread of its own how much there is to do; until then the bar has no end."""

        def work() -> None:
            try:
                total = sum(missing(item) is not None for item in items if not self.stop())
            except Exception:  # the run itself meets it too, and says it
                return
            self._display.set_total(total)

        threading.Thread(target=work, name="count", daemon=True).start()

    def add(self, outcome: Outcome) -> None:
        """An item that is done or failed, or came back."""
        with self._lock:
            if outcome.verdict == DONE:
                self.done += 1
                self._in_a_row = 0
                self._display.update(self.done, self.failed)
            elif outcome.verdict == FAILED:
                self.failed += 1
                self._in_a_row += 1
                line = f"{outcome.item.name}: {outcome.error}"
                if len(self.failures) < NAMED:
                    self.failures.append(line)
                self._display.say(f"failed: {line}")
                self._display.update(self.done, self.failed)
                if self._in_a_row >= self.most_failures:
                    self.stop.now(
                        f"{self._in_a_row} pictures in a row failed, the last with: {outcome.error} Mend the cause, "
                        "and run the same command again."
                    )
            else:
                self.retried += 1

    def again(self, item: Item, reason: str) -> None:
        """An item that came back."""
        if not self.stop():
            self.say(f"again: {item.name}: {first_line(reason) or 'no reason'}")

    def down(self, worker: str, reason: str) -> None:
        """A worker whose ComfyUI cannot be used now; it is tried again."""
        if not self.stop():
            self.say(f"waiting: {worker}: {first_line(reason) or 'no reason'}")

    def say(self, line: str) -> None:
        """A line above the bar; nothing with --quiet."""
        self._display.say(line)

    def code(self) -> int:
        """The run's exit code."""
        return self.stop.code or (SOME_FAILED if self.failed else ALL_GOOD)

    def summary(self, there: int, elsewhere: int) -> str:
        """One line."""
        self._display.close()
        seconds = time.monotonic() - self.started
        parts = [f"{self.done} done", f"{self.failed} failed"]
        parts += [f"{there} there already"] if there else []
        parts += [f"{elsewhere} another runner's"] if elsewhere else []
        parts += [f"{self.retried} tried again"] if self.retried else []
        pace = f", {60 * self.done / seconds:.1f} a minute" if self.done and seconds > 0 else ""
        head = {INTERRUPTED: "Interrupted: ", COULD_NOT_RUN: "Stopped: "}.get(self.stop.code, "")
        return f"{head}{', '.join(parts)}; {_time(seconds)}{pace}"


class _Display:
    """tqdm on a terminal, which every ComfyUI's Python has; a line a minute elsewhere."""

    def __init__(self, stream, quiet: bool):
        self.stream, self.quiet = stream, quiet
        self.total: int | None = None
        self._bar, self._told = None, time.monotonic()
        if not quiet and stream.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            form = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {postfix}, {elapsed} gone, {remaining} left"
            self._bar = tqdm(total=0, file=stream, bar_format=form, dynamic_ncols=True, smoothing=0.1)
            self._started = time.monotonic()

    def set_total(self, total: int) -> None:
        self.total = total
        if self._bar is not None:
            self._bar.total = total
            self._bar.refresh()

    def update(self, done: int, failed: int) -> None:
        if self._bar is not None:
            minutes = max(1e-9, (time.monotonic() - self._started) / 60)
            self._bar.set_postfix_str(f"{failed} failed, {done / minutes:.1f}/min", refresh=False)
            self._bar.update(done + failed - self._bar.n)
        elif not self.quiet and time.monotonic() - self._told >= _LINE_EVERY:
            self._told = time.monotonic()
            self.say(f"{done} of {self.total or '?'} done, {failed} failed")

    def say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=self.stream)
        elif not self.quiet:
            print(line, file=self.stream, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
