"""The progress stream of a ComfyUI server: its websocket, read in a thread, as one queue of events a prompt."""

import asyncio
import json
import queue
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

ENDED = {"execution_success", "execution_error", "execution_interrupted"}
PREVIEW_IMAGE, PREVIEW_WITH_METADATA = 1, 4


class ComfyError(RuntimeError):
    """Anything that went wrong between this process and a ComfyUI server; `answer` holds an HTTP error's body."""

    answer: bytes = b""


class ServerDied(ComfyError):
    """The server ended, or closed the connection, before it was asked to."""


@dataclass
class Event:
    """One message about a prompt.

    kind: the server's name for it: execution_start, execution_cached (data["nodes"]), executing (node),
    progress (node, value, maximum), preview (image, node), executed (node, data["output"]), execution_success,
    execution_error, execution_interrupted; node: the id in the prompt; image: an encoded JPEG or PNG.
    """

    kind: str
    prompt_id: str
    node: str | None = None
    value: float = 0
    maximum: float = 0
    image: bytes | None = None
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        """Whether the prompt has ended with this event."""
        return self.kind in ENDED


class EventStream:
    """Connects at once; raises ComfyError when the server does not accept within `timeout` seconds.

    heard: the prompts that messages have come for.
    """

    def __init__(self, url: str, client_id: str, timeout: float):
        self._address = f"ws{url.removeprefix('http')}/ws?clientId={client_id}"
        self._timeout = timeout
        self._queues: dict[str, queue.Queue[Event | None]] = {}
        self.heard: set[str] = set()
        self._lock = threading.Lock()
        self._running: tuple[str, str | None] = ("", None)  # prompt and node that previews belong to
        self._ready: queue.Queue[Exception | None] = queue.Queue()
        self._loop = asyncio.new_event_loop()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="comfy-events", daemon=True)
        self._thread.start()
        try:
            failure = self._ready.get(timeout=timeout)
        except queue.Empty:
            failure = TimeoutError("no answer")
        if failure:
            self.close()
            raise ComfyError(f"No progress stream at {url} ({failure}).")

    def expect(self, prompt_id: str) -> None:
        """Make sure there is a queue for `prompt_id`; messages that came before it was known are in it."""
        self._queue(prompt_id)

    def next(self, prompt_id: str, alive: Callable[[], None], deadline: float) -> Event | None:
        """The next event of a prompt; None at `deadline` (time.monotonic). Calls `alive` about once a second."""
        events = self._queue(prompt_id)
        while time.monotonic() < deadline:
            try:
                event = events.get(timeout=max(0.0, min(1.0, deadline - time.monotonic())))
            except queue.Empty:
                alive()
                if not self._closed.is_set():
                    continue
                event = None
            if event is None:
                time.sleep(0.2)  # a dying process closes its sockets before it can be seen to be dead
                alive()
                raise ServerDied("The server closed the progress stream.")
            if event.final:
                with self._lock:
                    self._queues.pop(prompt_id, None)
            return event
        return None

    def close(self) -> None:
        """End the thread and the connection."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(self._loop)])
            self._thread.join(timeout=5)

    def _queue(self, prompt_id: str) -> "queue.Queue[Event | None]":
        with self._lock:
            return self._queues.setdefault(prompt_id, queue.Queue())

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._read())
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self._ready.put(error)
        finally:
            self._closed.set()
            with self._lock:
                for events in self._queues.values():
                    events.put(None)
            self._loop.close()

    async def _read(self) -> None:
        limit = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout)
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.ws_connect(self._address, max_msg_size=0) as socket,
        ):
            self._ready.put(None)
            async for message in socket:
                if message.type == aiohttp.WSMsgType.TEXT:
                    self._take_text(json.loads(message.data))
                elif message.type == aiohttp.WSMsgType.BINARY:
                    self._take_binary(message.data)

    def _take_text(self, message: dict[str, Any]) -> None:
        kind, data = message.get("type"), message.get("data") or {}
        prompt_id = data.get("prompt_id")
        if not isinstance(kind, str) or not prompt_id or kind == "progress_state":
            return
        node = data.get("node", data.get("node_id"))
        node = None if node is None else str(node)
        if kind in ("executing", "execution_start"):
            self._running = (prompt_id, node)
        if kind == "executing" and node is None:
            return  # repeats what execution_success said, after the prompt has left the queue
        self.heard.add(prompt_id)
        value, maximum = (data.get("value", 0), data.get("max", 0)) if kind == "progress" else (0, 0)
        self._queue(prompt_id).put(Event(kind, prompt_id, node, value, maximum, None, data))

    def _take_binary(self, message: bytes) -> None:
        """Previews: a 4-byte type, then format (or metadata with its length), then an encoded image."""
        (kind,) = struct.unpack(">I", message[:4])
        (number,) = struct.unpack(">I", message[4:8])
        prompt_id, node = self._running
        if kind == PREVIEW_IMAGE:
            image, data = message[8:], {}
        elif kind == PREVIEW_WITH_METADATA:
            image, data = message[8 + number :], json.loads(message[8 : 8 + number])
            prompt_id, node = data.get("prompt_id", prompt_id), data.get("node_id", node)
        else:
            return
        if prompt_id:
            self.heard.add(prompt_id)
            self._queue(prompt_id).put(Event("preview", prompt_id, node, 0, 0, image, data))
