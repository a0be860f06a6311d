"""The default engine: a thread for each prompt that a ComfyUI may have, all taking from one list."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from .errors import FleetError, StationDown
from .manifest import FAILED
from .tally import Stop, Tally
from .todo import Todo
from .worker import AGAIN, STOP, Worker

LONGEST_WAIT = 30.0
MOST_FAILED_STARTS = 3


class LocalEngine:
    """Runs `workers` until the list is empty or the run is stopped.

    patience: seconds that no ComfyUI at all may answer before the run ends.
    """

    def __init__(self, workers: Sequence[Worker], todo: Todo, tally: Tally, stop: Stop, patience: float = 60.0):
        self.workers, self.todo, self.tally, self.stop = workers, todo, tally, stop
        self.patience = patience
        self._down: dict[str, str] = {}
        self._lock = threading.Lock()

    def run(self) -> None:
        """Returns when every thread has ended; all own servers are stopped then."""
        threads = [
            threading.Thread(target=self._drain, args=(worker,), name=f"{worker.station.name}-{lane}", daemon=True)
            for worker in self.workers
            for lane in range(worker.threads)
        ]
        for thread in threads:
            thread.start()
        silent = 0.0
        while any(thread.is_alive() for thread in threads):
            if self.stop.wait(0.2):
                break
            silent = silent + 0.2 if len(self._down) == len(self.workers) else 0.0
            if silent > self.patience:
                self.stop.now(f"No ComfyUI can be used: {'; '.join(sorted(set(self._down.values())))}")
        if not self.stop() and not self.todo.exhausted:
            self.stop.now(f"No ComfyUI can be used: {'; '.join(sorted(set(self._down.values())))}")
        self.todo.close()
        with ThreadPoolExecutor(len(self.workers)) as pool:
            list(pool.map(lambda worker: worker.close(), self.workers))
        for thread in threads:
            thread.join(timeout=10)

    def _drain(self, worker: Worker) -> None:
        name = worker.station.name
        while not self.stop() and self._up(worker):
            try:
                item = self.todo.take(name)
            except (FleetError, OSError) as error:
                self.stop.now(str(error))
                return
            if item is None:
                return
            outcome = worker.run(item)
            self.tally.add(outcome)
            if outcome.verdict == AGAIN:
                self.tally.again(item, outcome.error)
                self.todo.come_back(item, name, outcome.charged)
            else:
                self.todo.finished(item, outcome.verdict == FAILED)
            if outcome.verdict == STOP:
                self.stop.now(outcome.error)

    def _up(self, worker: Worker) -> bool:
        """Waits, ever longer, until the worker's ComfyUI can be used; False when it is given up or nothing is left."""
        failures = 0
        while not self.stop() and not self.todo.exhausted:
            try:
                worker.ready()
            except StationDown as error:
                failures += 1
                with self._lock:
                    known, self._down[worker.station.name] = self._down.get(worker.station.name), str(error)
                if known != str(error):  # a worker's threads meet the same
                    self.tally.down(worker.station.name, str(error))
                if worker.station.owned and failures >= MOST_FAILED_STARTS:
                    if len(self._down) == len(self.workers):
                        self.stop.now(f"No ComfyUI can be used: {error}")
                    return False
                if self.stop.wait(min(LONGEST_WAIT, 2.0**failures / 2)):
                    return False
            else:
                with self._lock:
                    self._down.pop(worker.station.name, None)
                return True
        return False
