"""One picture through one ComfyUI, whatever happens: the core that every engine runs. No engine is known here."""

from __future__ import annotations

import hashlib
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comfy_client import ComfyClient, ExecutionError, Interrupted, PromptRejected
from comfy_events import ComfyError

from .errors import FleetError, PictureFailed, StationDown, Stopped, TryAgain
from .job import AS_IT_IS, Job
from .listing import Item, fraction_of
from .manifest import DONE, FAILED, Journal
from .out_folder import OutFolder, full
from .pixels import pixels_sha256
from .scores import Scorer
from .station import Station
from .watch import Hung, Watch

AGAIN, STOP = "again", "stop"
_MEMORY = ("OutOfMemory", "AcceleratorError", "MemoryError", "OOM")
_CLIENT_LIFE = 500  # pictures until a client is replaced: its progress stream keeps every prompt it has heard of


@dataclass
class Outcome:
    """What became of an item. verdict: DONE, FAILED, AGAIN (give it to another) or STOP (the run cannot go on)."""

    verdict: str
    item: Item
    error: str = ""
    kind: str = ""
    charged: bool = True
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class _Made:
    """What a server made of a picture: PNG files by branch, and by branch and input those that are to be scored."""

    sha256: str
    results: dict[str, list[bytes]]
    scored: dict[str, dict[str, list[bytes]]]


class Worker:
    """One station, used by `threads` threads at a time: `lanes` of them have a prompt there, the others score.

    stopping: says that the run is to end; asked about once a second. journal: where rows go before the results.
    """

    def __init__(
        self,
        job: Job,
        station: Station,
        scorer: Scorer | None = None,
        journal: Journal | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ):
        self.job, self.station, self.scorer, self.stopping = job, station, scorer, stopping
        self.out = OutFolder(Path(job.out), job.runner)
        self.journal = journal or Journal(self.out, job.shard, station.name)
        self.threads = job.lanes + (scorer.processes + 1 if scorer else 0)
        self._lanes = threading.Semaphore(job.lanes)
        self._local = threading.local()

    def ready(self) -> None:
        """Makes sure that the ComfyUI is up. Raises StationDown."""
        self.station.ensure()

    def close(self) -> None:
        """Ends the station's own server and the scoring; safe from another thread in the middle of a picture."""
        self.station.close()
        if self.scorer:
            self.scorer.close()

    def run(self, item: Item) -> Outcome:
        """Makes an item's missing outputs, and places them. Never raises."""
        began = time.monotonic()
        try:
            with self._lanes:
                made = self._make(item)
            return self._place(item, made, began)
        except PictureFailed as error:  # in the node's words, but with the picture's own name
            place = f"{getattr(self._local, 'slot', '')}{Path(item.path).suffix}"
            return self._failed(item, str(error).replace(place, item.name), error.kind, error.node, began)
        except TryAgain as error:
            attempts, losses = item.attempts + error.charged, item.losses + (not error.charged)
            if attempts >= self.job.tries or losses >= 5 * self.job.tries:
                tried = f" (tried {attempts} times)" if attempts > 1 else ""
                return self._failed(item, f"{error}{tried}", error.kind, "", began, attempts)
            return Outcome(AGAIN, item, str(error), error.kind, error.charged)
        except Stopped:
            return Outcome(AGAIN, item, "The run was stopped.", "Stopped", charged=False)
        except FleetError as error:
            return Outcome(STOP, item, str(error))
        except OSError as error:
            return Outcome(STOP, item, str(full(error, self.out.root) or f"{self.out.root}: {error}"))
        except Exception as error:  # a fault of ours: the picture is named, the others go on
            return self._failed(item, f"{type(error).__name__}: {error}", type(error).__name__, "", began)

    # making

    def _make(self, item: Item) -> _Made:
        if self.stopping():
            raise Stopped
        life, watch = self.station.number, Watch(self.station, self.stopping, self.job.time_limit, self.job.lanes)
        self._local.watch = watch
        try:
            self.station.ensure()
            life = self.station.number
            return self._ask(item, watch)
        except StationDown as error:
            raise TryAgain(str(error), "StationDown", charged=False) from None
        except Interrupted as error:
            raise TryAgain(str(error), "Interrupted", watch.begun) from None
        except ExecutionError as error:
            if any(word in error.exception_type for word in _MEMORY):
                raise TryAgain(str(error), error.exception_type, charged=True) from None
            if "No space left on device" in error.exception_message:
                raise FleetError(
                    f"ComfyUI's disk is full: {error}. Make room, and run the same command again."
                ) from None
            raise PictureFailed(str(error), error.exception_type, error.node_type) from None
        except PromptRejected as error:
            raise PictureFailed(str(error), "PromptRejected", _rejecting_node(error)) from None
        except Hung as error:
            self._drop_client()
            self.station.restart(life, str(error))
            raise TryAgain(str(error), "TimeLimit", charged=True) from None
        except (ComfyError, OSError) as error:
            if isinstance(error, OSError) and (stop := full(error, self.out.root)):
                raise stop from None
            self._drop_client()
            self.station.restart(life, str(error))
            if self.stopping():
                raise Stopped from None
            raise TryAgain(str(error), type(error).__name__, watch.begun) from None

    def _ask(self, item: Item, watch: Watch) -> _Made:
        """One prompt: the picture and the styles in, its results out."""
        client, slot = self._client()
        content = f"{slot}{Path(item.path).suffix}"
        digest = self.station.put(item.path, content, client)
        branches = {branch: self._put_style(branch, client) for branch in item.outputs}
        scored = self.job.scored and self.scorer is not None and fraction_of(f"score {item.name}") < self.job.sample
        prompt = self.job.prompt(content, branches, f"cellstyle-batch/{uuid.uuid4().hex}", scored)
        note = {"input": item.name, "input_sha256": digest, "recipe": self.job.recipe}
        watch.submitted(client.submit(prompt.graph, {"extra_pnginfo": {"cellstyle_batch": note}}))
        try:
            outputs = client.wait(watch.prompt_id, math.inf, watch.on_event).outputs
            fetched = {node: [client.fetch_image(image) for image in _images(outputs, node)] for node in prompt.saved()}
        except ExecutionError:
            self.station.clean(watch.prompt_id, (client.history(watch.prompt_id) or {}).get("outputs", {}), client)
            raise
        except (Stopped, Hung):
            if not self.station.owned:
                client.cancel(watch.prompt_id)
            raise
        self.station.clean(watch.prompt_id, outputs, client)
        return _Made(
            digest,
            {branch: fetched[node] for branch, node in prompt.results.items()},
            {branch: {what: fetched[node] for what, node in nodes.items()} for branch, nodes in prompt.scored.items()},
        )

    def _client(self) -> tuple[ComfyClient, str]:
        """This thread's client of the station's present life, and the name of its place in the input folder."""
        local = self._local
        if getattr(local, "client", None) is None or local.life != self.station.number or local.uses >= _CLIENT_LIFE:
            self._drop_client()
            local.client = ComfyClient(self.station.url, lambda: local.watch.look(), timeout=60.0)
            local.slot = getattr(local, "slot", None) or f"cellstyle-batch-{uuid.uuid4().hex}"
            local.life, local.uses = self.station.number, 0
        local.uses += 1
        return local.client, local.slot

    def _drop_client(self) -> None:
        if getattr(self._local, "client", None) is not None:
            self._local.client.close()
            self._local.client = None

    def _put_style(self, branch: str, client: ComfyClient) -> str:
        style = self.job.styles[branch]
        return "" if style.kind == AS_IT_IS else self.station.put_style(style.data, style.upload_name(), client)

    # after the server

    def _place(self, item: Item, made: _Made, began: float) -> Outcome:
        """Scores the results, writes each row and then its result; the row is there before the picture."""
        rows = []
        for branch, pictures in made.results.items():
            row = self._row(item, branch, began, item.attempts + 1)
            row |= {"status": DONE, "input_sha256": made.sha256}
            try:
                hashes = [pixels_sha256(data) for data in pictures]
            except ValueError as error:
                raise TryAgain(str(error), "NoPicture", charged=True) from None
            row["pixels_sha256"] = hashes[0] if len(hashes) == 1 else _digest("".join(hashes))
            if made.scored.get(branch):
                try:
                    row["scores"] = self.scorer.measure(made.scored[branch])
                except FleetError as error:
                    if self.stopping():
                        raise Stopped from None
                    row["error"], row["error_type"] = f"not scored: {error}", "Scores"
            row["seconds"] = round(time.monotonic() - began, 3)
            self.journal.add(row)
            target = Path(item.outputs[branch])
            for number, data in reversed(
                list(enumerate(pictures, 1))
            ):  # the first one last: it says that all are there
                self.out.place(data, target if number == 1 else target.with_name(f"{target.stem}.{number:04d}.png"))
            rows.append(row)
        return Outcome(DONE, item, rows=rows)

    def _failed(
        self, item: Item, error: str, kind: str, node: str, began: float, attempts: int | None = None
    ) -> Outcome:
        rows = []
        try:
            for branch in item.outputs:
                row = self._row(item, branch, began, item.attempts + 1 if attempts is None else attempts)
                row |= {"status": FAILED, "error": error[:2000], "error_type": kind, "error_node": node}
                self.journal.add(row)
                rows.append(row)
        except (FleetError, OSError) as stop:
            return Outcome(STOP, item, str(stop))
        return Outcome(FAILED, item, error, kind, rows=rows)

    def _row(self, item: Item, branch: str, began: float, attempts: int) -> dict[str, Any]:
        return {
            "input": item.name,
            "output": os.path.relpath(item.outputs[branch], self.job.out).replace(os.sep, "/"),
            "style": branch,
            "attempts": attempts,
            "seconds": round(time.monotonic() - began, 3),
            "worker": f"{socket.gethostname()}:{self.station.name}",
            "recipe": self.job.recipe,
            "pack": self.job.pack,
            "comfyui": self.job.comfyui,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }


def _images(outputs: dict[str, Any], node: str) -> list[dict[str, str]]:
    found = (outputs.get(node) or {}).get("images") or []
    if not found:
        raise PictureFailed(f"The workflow saved no picture in node {node}.", "NoPicture")
    return found


def _rejecting_node(error: PromptRejected) -> str:
    nodes = error.details.get("node_errors") or {}
    return str(next(iter(nodes.values()), {}).get("class_type", ""))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
