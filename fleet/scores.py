"""Cell Style Fidelity beside the ComfyUIs: measured in processes of its own, while the next picture is made.

In a ComfyUI's one executor it would cost more than the picture: seconds of one core, where a GPU needs one.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from .errors import FleetError
from .score_process import read_message, write_message

_SCRIPT = Path(__file__).with_name("score_process.py")


class Scorer:
    """`processes` processes of `python` that measure; `settings`: the inputs of the workflow's Cell Style Fidelity."""

    def __init__(self, processes: int, settings: dict[str, Any], python: str = sys.executable):
        self.processes, self.settings, self.python = processes, settings, python
        self._free: queue.Queue[subprocess.Popen | None] = queue.Queue()
        self._started: list[subprocess.Popen] = []
        self._lock = threading.Lock()
        self._closed = False
        for _ in range(processes):
            self._free.put(None)  # a process that is started when it is needed

    def measure(self, pictures: dict[str, list[bytes]]) -> str:
        """Waits for a free process and for the scores of a result, as JSON.

        Args:
            pictures: PNG files by Fidelity's inputs (content, result, and style and mask where wired), one or one a
                pair.
        Raises: FleetError with what the measurement said, or that its process ended.
        """
        process = self._free.get()
        try:
            if process is None or process.poll() is not None:
                process = self._start()
            header = {"settings": self.settings, "pictures": {name: len(given) for name, given in pictures.items()}}
            write_message(process.stdin, json.dumps(header).encode())
            for given in pictures.values():
                for data in given:
                    write_message(process.stdin, data)
            process.stdin.flush()
            answer = json.loads(read_message(process.stdout))
        except (OSError, EOFError):
            process = None
            raise FleetError("The process that measures ended.") from None
        finally:
            self._free.put(process)
        if "error" in answer:
            raise FleetError(answer["error"])
        return answer["scores"]

    def close(self) -> None:
        """Ends the processes, also in the middle of a measurement."""
        with self._lock:
            self._closed = True
            for process in self._started:
                process.kill()
                process.wait()
                process.stdin.close()
                process.stdout.close()

    def _start(self) -> subprocess.Popen:
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with self._lock:
            if self._closed:
                raise FleetError("The run is being stopped.")
            process = subprocess.Popen(
                [self.python, str(_SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **one_thread},
                **({} if os.name == "nt" else {"start_new_session": True}),  # Ctrl-C is for the one that started it
            )
            self._started = [other for other in self._started if other.poll() is None] + [process]
        return process
