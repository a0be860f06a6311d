"""One ComfyUI that pictures are made by: a process of ours, started anew when it dies, or somebody's server."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from comfy_client import ComfyClient
from comfy_events import ComfyError, ServerDied
from comfy_server import ComfyServer
from host_layout import find

from .errors import PictureFailed, StationDown

_BLOCK = 1 << 20
_LOOK_EVERY = 10  # calls of `alive`, of which there is one a second
_START_LIMIT = 600.0  # seconds: a cold shared disk and a busy node take minutes
_MOST_UPLOAD = str(1 << 20)  # MB: our own servers take any picture


class Station:
    """What both kinds share. `number` goes up each time the server is started again."""

    url: str
    owned: bool
    number = 0

    def __init__(self, name: str):
        self.name = name
        self.lock = threading.RLock()
        self._styles: dict[str, str] = {}

    def ensure(self) -> None:
        """Makes sure that the server answers. Raises StationDown."""

    def restart(self, number: int, reason: str) -> None:
        """The server of life `number` died or hangs."""

    def close(self) -> None:
        """Ends what is ours."""

    def alive(self, prompt_id: str, calls: int) -> None:
        """ServerDied when the server is gone, or no longer knows the prompt."""

    def put(self, path: str, name: str, client: ComfyClient) -> str:
        """Brings a picture into the server's input folder; returns its SHA-256. Raises PictureFailed, OSError."""
        raise NotImplementedError

    def put_style(self, data: bytes, name: str, client: ComfyClient) -> str:
        """Brings a style or a style's picture into the input folder, once a life; returns its name there."""
        with self.lock:
            if name not in self._styles:
                self._styles[name] = self._send(data, name, client)
            return self._styles[name]

    def clean(self, prompt_id: str, outputs: dict[str, Any], client: ComfyClient) -> None:
        """Forgets a finished prompt, so that nothing piles up."""
        with contextlib.suppress(ComfyError):
            client.request("/history", {"delete": [prompt_id]})

    def _send(self, data: bytes, name: str, client: ComfyClient) -> str:
        raise NotImplementedError


class OwnStation(Station):
    """A ComfyUI on this machine's loopback, with a folder of its own that goes with it.

    options: more of its command line. env: for it alone, such as the GPU it may see. custom_nodes: more packs.
    """

    owned = True

    def __init__(
        self,
        name: str,
        options: Sequence[str] = (),
        env: dict[str, str] | None = None,
        custom_nodes: Sequence[str] = (),
        cpu: bool | None = None,
    ):
        super().__init__(name)
        self.options, self.env, self.custom_nodes, self.cpu = list(options), dict(env or {}), custom_nodes, cpu
        self.server: ComfyServer | None = None
        self.closed = False

    @property
    def url(self) -> str:
        """The address of the present life."""
        return self.server.url

    def ensure(self) -> None:
        with self.lock:
            if self.closed:
                raise StationDown("The run is being stopped.")
            if self.server and self.server.process and self.server.process.poll() is None:
                return
            self._end()
            self.number += 1
            server = ComfyServer(
                find(),
                extra_custom_nodes=[Path(folder) for folder in self.custom_nodes],
                args=["--preview-method", "none", "--max-upload-size", _MOST_UPLOAD, *self.options],
                env=self.env,
                cpu=self.cpu,
                runs=run_folder(),
                timeout=_START_LIMIT,
            )
            self.server = server
            try:
                server.start()
            except (ComfyError, OSError) as error:
                self._end()
                raise StationDown(f"ComfyUI does not start: {error}") from None
            if self.closed:
                self._end()
                raise StationDown("The run is being stopped.")

    def restart(self, number: int, reason: str) -> None:
        with self.lock:
            if number == self.number:
                self._end()

    def close(self) -> None:
        self.closed = True
        server = self.server
        if server:  # without the lock: one who waits for the start holds it, and learns here that it was stopped
            server.stop()
            shutil.rmtree(server.run_dir, ignore_errors=True)

    def alive(self, prompt_id: str, calls: int) -> None:
        server = self.server
        if server is None or self.closed:
            raise ServerDied("ComfyUI was stopped.")
        server.check_alive()

    def put(self, path: str, name: str, client: ComfyClient) -> str:
        digest = hashlib.sha256()
        target = self.server.input_dir / name
        source = _opened(path)
        with source, open(target, "wb") as copy:
            while block := _read(source, _BLOCK):
                digest.update(block)
                copy.write(block)
        return digest.hexdigest()

    def clean(self, prompt_id: str, outputs: dict[str, Any], client: ComfyClient) -> None:
        """Also the files that the prompt left in the output and temp folders."""
        super().clean(prompt_id, outputs, client)
        places = {"output": self.server.output_dir, "temp": self.server.run_dir / "temp"}
        for output in outputs.values():
            for files in output.values():
                for file in files if isinstance(files, list) else []:
                    if isinstance(file, dict) and file.get("type") in places and file.get("filename"):
                        path = places[file["type"]] / file.get("subfolder", "") / file["filename"]
                        with contextlib.suppress(OSError):
                            path.unlink()

    def read_style(self, name: str) -> bytes:
        """A style file that Save Style wrote."""
        return (self.server.models_dir / "cellstyle" / name).read_bytes()

    def _send(self, data: bytes, name: str, client: ComfyClient) -> str:
        (self.server.input_dir / name).write_bytes(data)
        return name

    def _end(self) -> None:
        self._styles.clear()
        if self.server:
            self.server.stop()
            shutil.rmtree(self.server.run_dir, ignore_errors=True)
            self.server = None


class ServerStation(Station):
    """A ComfyUI that runs already, at `url`; it gets prompts and pictures, and nothing of it is changed or ended."""

    owned = False

    def __init__(self, name: str, url: str):
        super().__init__(name)
        self.url = url.rstrip("/") if "://" in url else f"http://{url.rstrip('/')}"

    def ensure(self) -> None:
        try:
            probe = ComfyClient(self.url, timeout=10.0)
            stats = probe.system_stats()
            if not isinstance(stats, dict) or "system" not in stats:
                raise ComfyError(f"{self.url} is no ComfyUI.")
        except (ComfyError, ValueError) as error:
            with self.lock:
                self._styles.clear()  # it may come back with an empty input folder
                self.number += 1
            raise StationDown(str(error)) from None

    def alive(self, prompt_id: str, calls: int) -> None:
        if calls % _LOOK_EVERY:
            return
        probe = ComfyClient(self.url, timeout=20.0)
        try:
            queue = probe.queue()
            known = prompt_id in str(queue) or probe.history(prompt_id) is not None
        except (ComfyError, ValueError) as error:
            raise ServerDied(str(error)) from None
        if not known:
            raise ServerDied(f"{self.url} has forgotten the prompt: it was restarted, or its queue was cleared.")

    def put(self, path: str, name: str, client: ComfyClient) -> str:
        with _opened(path) as source:
            data = _read(source, -1)
        try:
            client.upload_image(data, name)
        except ComfyError as error:
            if getattr(error, "answer", b"") or "HTTP 413" in str(error):
                raise PictureFailed(f"{self.url} does not take the picture: {error}", "UploadRefused") from None
            raise
        return hashlib.sha256(data).hexdigest()

    def _send(self, data: bytes, name: str, client: ComfyClient) -> str:
        try:
            there = client.fetch_image({"filename": name, "type": "input"})
        except ComfyError:
            return client.upload_image(data, name)
        # left by an earlier run; never overwritten, because another run may be reading it
        return name if there == data else client.upload_image(data, f"{uuid.uuid4().hex}-{name}")


def versions(client: ComfyClient) -> str:
    """ComfyUI's version, as its server says."""
    return str(client.system_stats()["system"].get("comfyui_version") or "unknown")


def _opened(path: str):
    try:
        return open(path, "rb")
    except OSError as error:
        raise PictureFailed(f"{os.path.basename(path)} cannot be read: {error.strerror}.", "OSError") from None


def _read(source, count: int) -> bytes:
    try:
        return source.read(count)
    except OSError as error:
        raise PictureFailed(f"{os.path.basename(source.name)} cannot be read: {error.strerror}.", "OSError") from None


def run_folder() -> Path:
    """Where own servers keep what they work with: on this machine, whatever the checkout lies on."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"cellstyle-fleet-{user}" / "runs"
