"""A client of a running ComfyUI: submit a prompt, follow its progress, fetch what it made.

Plain blocking calls, each with a time limit. HTTP goes through the standard library (and never through a proxy);
the progress stream needs aiohttp, which every ComfyUI environment has.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comfy_events import ComfyError, Event, EventStream, ServerDied

__all__ = [
    "ComfyClient",
    "ComfyError",
    "Event",
    "ExecutionError",
    "Interrupted",
    "PromptRejected",
    "Result",
    "ServerDied",
]

Prompt = dict[str, dict[str, Any]]


class PromptRejected(ComfyError):
    """The server refused a prompt; `details` is its JSON answer, with `node_errors` by node id."""

    def __init__(self, message: str, details: dict[str, Any]):
        super().__init__(message)
        self.details = details


class ExecutionError(ComfyError):
    """A node raised while the prompt ran."""

    def __init__(self, data: dict[str, Any]):
        self.node_id = str(data.get("node_id", ""))
        self.node_type = str(data.get("node_type", ""))
        self.exception_type = str(data.get("exception_type", ""))
        self.exception_message = str(data.get("exception_message", "")).strip()
        self.traceback = "".join(data.get("traceback") or [])
        super().__init__(f"{self.node_type} (node {self.node_id}): {self.exception_message}")


class Interrupted(ComfyError):
    """The prompt was interrupted before it finished."""


@dataclass
class Result:
    """What a finished prompt left: `outputs` by node id (as in /history), and how each node came by its result."""

    prompt_id: str
    outputs: dict[str, dict[str, Any]]
    executed: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def images(self) -> list[dict[str, str]]:
        """Every image of every output node: dicts with filename, subfolder and type, as `fetch_image` takes them."""
        return [image for output in self.outputs.values() for image in output.get("images") or []]


class ComfyClient:
    """Talks to the server at `url`; `alive`, when given, is called while waiting and raises once the server is gone."""

    def __init__(self, url: str, alive: Callable[[], None] | None = None, timeout: float = 60.0):
        self.url = url.rstrip("/")
        self.client_id = uuid.uuid4().hex
        self.timeout = timeout
        self._alive = alive or (lambda: None)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._stream: EventStream | None = None

    def __enter__(self) -> "ComfyClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the progress stream; the client may be used again."""
        if self._stream:
            self._stream.close()
            self._stream = None

    # HTTP

    def request(self, path: str, body: Any = None, *, data: bytes | None = None, content_type: str = "") -> bytes:
        """GET `path`, or POST `body` as JSON (or raw `data`); ComfyError with status and answer on an HTTP error."""
        request = urllib.request.Request(self.url + path)
        if body is not None:
            data, content_type = json.dumps(body).encode(), "application/json"
        if data is not None:
            request.data = data
            request.add_header("Content-Type", content_type)
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            answer = error.read()
            failure = ComfyError(f"{path}: HTTP {error.code}: {answer[:500].decode('utf-8', 'replace')}")
            failure.answer = answer
            raise failure from None
        except OSError as error:
            self._alive()
            raise ComfyError(f"{self.url}{path} does not answer ({error}).") from None

    def json(self, path: str, body: Any = None) -> Any:
        """`request`, with the answer decoded (None when it is empty)."""
        answer = self.request(path, body)
        return json.loads(answer) if answer.strip() else None

    def system_stats(self) -> dict[str, Any]:
        """Versions, devices and memory, as /system_stats gives them."""
        return self.json("/system_stats")

    def object_info(self, node: str | None = None) -> dict[str, Any]:
        """The schema of every node, or of `node` alone ({} when there is no such node)."""
        return self.json("/object_info" + (f"/{urllib.parse.quote(node)}" if node else ""))

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """The /history entry of a prompt, None while it has not finished."""
        return self.json(f"/history/{prompt_id}").get(prompt_id)

    def queue(self) -> dict[str, Any]:
        """Running and pending prompts."""
        return self.json("/queue")

    def interrupt(self) -> None:
        """Ask the running prompt to stop; it does at its next step."""
        self.request("/interrupt", {})

    def cancel(self, prompt_id: str) -> None:
        """Take a prompt out of the queue or, when it is the one that runs, stop it; no other prompt is touched."""
        self.request("/queue", {"delete": [prompt_id]})
        self.request("/interrupt", {"prompt_id": prompt_id})

    def free(self, unload_models: bool = True, free_memory: bool = True) -> None:
        """Unload models and (free_memory) drop every cached node result, once the queue is idle."""
        self.request("/free", {"unload_models": unload_models, "free_memory": free_memory})

    def fetch_image(self, image: dict[str, str]) -> bytes:
        """The bytes of an image named in an output (filename, subfolder, type)."""
        wanted = {key: image.get(key, "") for key in ("filename", "subfolder", "type")}
        return self.request("/view?" + urllib.parse.urlencode(wanted))

    def upload_image(self, source: Path | bytes, name: str | None = None) -> str:
        """Put an image into the server's input folder, replacing one of that name; returns its name for LoadImage."""
        if isinstance(source, bytes):
            content, name = source, name or "upload.png"
        else:
            content, name = Path(source).read_bytes(), name or Path(source).name
        boundary = uuid.uuid4().hex
        head = (
            f'Content-Disposition: form-data; name="image"; filename="{name}"\r\nContent-Type: application/octet-stream'
        )
        overwrite = 'Content-Disposition: form-data; name="overwrite"\r\n\r\ntrue'
        data = (
            f"--{boundary}\r\n{head}\r\n\r\n".encode()
            + content
            + f"\r\n--{boundary}\r\n{overwrite}\r\n--{boundary}--\r\n".encode()
        )
        answer = self.request("/upload/image", data=data, content_type=f"multipart/form-data; boundary={boundary}")
        return json.loads(answer)["name"]

    # prompts

    @property
    def stream(self) -> EventStream:
        """The progress stream, opened on first use."""
        if self._stream is None:
            self._stream = EventStream(self.url, self.client_id, self.timeout)
        return self._stream

    def submit(self, prompt: Prompt, extra_data: dict[str, Any] | None = None) -> str:
        """Queue an API-format prompt; returns its id. PromptRejected with the server's reasons when it is invalid."""
        stream = self.stream
        body: dict[str, Any] = {"prompt": prompt, "client_id": self.client_id}
        if extra_data:
            body["extra_data"] = extra_data
        try:
            prompt_id = self.json("/prompt", body)["prompt_id"]
        except ComfyError as error:
            details = _decoded(getattr(error, "answer", b""))
            if "node_errors" not in details:
                raise
            raise PromptRejected(_rejection(details), details) from None
        stream.expect(prompt_id)
        return prompt_id

    def events(self, prompt_id: str, timeout: float = 600.0) -> Iterator[Event]:
        """Every event of a submitted prompt until it has finished, failed or been interrupted (that event is the last).

        ComfyError when `timeout` seconds pass first; ServerDied when the server does not live to finish it.
        """
        deadline = time.monotonic() + timeout
        while True:
            event = self.stream.next(prompt_id, self._alive, deadline)
            if event is None:
                raise ComfyError(f"Prompt {prompt_id} had not finished after {timeout:.0f} s.")
            yield event
            if event.final:
                return

    def wait(self, prompt_id: str, timeout: float = 600.0, on_event: Callable[[Event], None] | None = None) -> Result:
        """Follow a prompt to its end and return its outputs; ExecutionError or Interrupted when it did not succeed."""
        started = time.monotonic()
        result = Result(prompt_id, {})
        for event in self.events(prompt_id, timeout):
            if on_event:
                on_event(event)
            if event.kind == "executing" and event.node and event.node not in result.executed:
                result.executed.append(event.node)
            elif event.kind == "execution_cached":
                result.cached = [str(node) for node in event.data.get("nodes", [])]
            elif event.kind == "execution_error":
                raise ExecutionError(event.data)
            elif event.kind == "execution_interrupted":
                raise Interrupted(f"Prompt {prompt_id} was interrupted at {event.data.get('node_type')}.")
        result.seconds = time.monotonic() - started
        result.outputs = self._outputs(prompt_id)
        return result

    def run(self, prompt: Prompt, timeout: float = 600.0, on_event: Callable[[Event], None] | None = None) -> Result:
        """`submit` and `wait`."""
        return self.wait(self.submit(prompt), timeout, on_event)

    def _outputs(self, prompt_id: str) -> dict[str, dict[str, Any]]:
        """The outputs from /history, which the server writes a moment after its last event."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            entry = self.history(prompt_id)
            if entry is not None:
                return entry["outputs"]
            time.sleep(0.05)
        raise ComfyError(f"Prompt {prompt_id} finished but is not in the server's history.")


def _decoded(answer: bytes) -> dict[str, Any]:
    try:
        details = json.loads(answer)
    except ValueError:
        return {}
    return details if isinstance(details, dict) else {}


def _rejection(details: dict[str, Any]) -> str:
    """The server's reasons in one line."""
    reasons = [
        f"{node.get('class_type')} (node {node_id}): {error.get('message')}: {error.get('details')}"
        for node_id, node in (details.get("node_errors") or {}).items()
        for error in node.get("errors", [])
    ]
    error = details.get("error")
    general = error.get("message", "") if isinstance(error, dict) else str(error or "")
    return "; ".join(reasons) or f"The prompt was refused: {general}"
