"""Start a real ComfyUI server with this pack loaded, and stop it whatever happens.

    with ComfyServer(find()) as server:
        result = server.client.run(prompt)

Each server has a folder of its own under .host/runs (input, output, models, user, temp, custom_nodes, server.log), so
runs never see each other or a user's own ComfyUI. The server ends with the `with` block, with an exception, and with
this process however that ends (see server_guard.py).
"""

import contextlib
import itertools
import json
import os
import re
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from comfy_client import ComfyClient
from comfy_events import ComfyError, ServerDied
from host_layout import PATIENT_THREADS, ROOT, Host, find, host_root
from server_run import device_options, end_process, free_port, link_folder, prune_runs, remove

PACK_NAME = "cellstyle"
_numbers = itertools.count()


class ComfyServer:
    """A context manager around one server process.

    host: what to start (default: `host_layout.find()`). pack: the folder loaded as custom node "cellstyle", None for a
    bare ComfyUI. extra_custom_nodes: more custom node folders, loaded under their own names. args, env: added to the
    command line (the last one of a repeated option counts) and to the environment. port: tried first; a busy one is
    replaced by a free one. cpu: True or False, or None to use an accelerator when there is one. keep: leave the run
    folder as it is afterwards (otherwise only server.log stays). runs: where run folders go (default: .host/runs),
    one for each machine where several share a checkout.
    """

    def __init__(
        self,
        host: Host | None = None,
        *,
        pack: Path | None = ROOT,
        extra_custom_nodes: Iterable[Path] = (),
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        cpu: bool | None = None,
        keep: bool = False,
        timeout: float = 180.0,
        runs: Path | None = None,
    ):
        self.host = host or find()
        self.pack = pack
        self.extra_custom_nodes = [Path(folder) for folder in extra_custom_nodes]
        self.args = list(args)
        self.env = dict(env or {})
        self.port = port or 0
        self.cpu = cpu
        self.keep = keep
        self.timeout = timeout
        self.run_dir = (runs or host_root() / "runs") / f"{time.strftime('%m%d-%H%M%S')}-{os.getpid()}-{next(_numbers)}"
        self.process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._client: ComfyClient | None = None

    def __enter__(self) -> "ComfyServer":
        try:
            return self.start()
        except BaseException:
            self.stop(failed=True)
            raise

    def __exit__(self, kind: object, *_: object) -> None:
        self.stop(failed=kind is not None)

    # places

    @property
    def url(self) -> str:
        """http://127.0.0.1:PORT"""
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> ComfyClient:
        """The client of this server, which notices when the server dies."""
        if self._client is None:
            self._client = ComfyClient(self.url, self.check_alive)
        return self._client

    @property
    def log_path(self) -> Path:
        """The server's output; kept after the run."""
        return self.run_dir / "server.log"

    @property
    def input_dir(self) -> Path:
        """Where LoadImage finds files."""
        return self.run_dir / "input"

    @property
    def output_dir(self) -> Path:
        """Where SaveImage writes."""
        return self.run_dir / "output"

    @property
    def models_dir(self) -> Path:
        """Where loaders look (checkpoints/, vae/, ...)."""
        return self.run_dir / "models"

    def log(self, lines: int | None = None) -> str:
        """The log so far without colours, or its last `lines` lines."""
        text = self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.is_file() else ""
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        return text if lines is None else "\n".join(text.splitlines()[-lines:])

    # life

    def start(self) -> "ComfyServer":
        """Start the process and wait until it answers with the pack loaded; ServerDied with the log's end if not."""
        self._stopped = False
        prune_runs(self.run_dir.parent)
        for name in ("input", "output", "temp", "user", "custom_nodes", "models/checkpoints"):
            (self.run_dir / name).mkdir(parents=True, exist_ok=True)
        options = self._mount_custom_nodes()
        options += device_options(self.host, self.cpu)
        for attempt in range(3):
            self.port = free_port(self.port)
            self._launch([*options, *self.args])
            try:
                self._wait_until_up()
                break
            except ServerDied:
                if self._stopped or attempt == 2 or "address already in use" not in self.log().lower():
                    raise
                self.port = 0  # somebody took the port between the look and the launch
        self._check_pack()
        return self

    def stop(self, failed: bool = False) -> None:
        """End the whole process group and, unless `keep` or `failed`, delete all of the run folder but the log."""
        self._stopped = True
        if self._client:
            self._client.close()
            self._client = None
        if self.process:
            end_process(self.process)
            self.process = None
        if self.run_dir.is_dir() and not self.keep and not failed:
            for path in self.run_dir.iterdir():
                if path != self.log_path:
                    remove(path)

    def check_alive(self) -> None:
        """ServerDied, with the end of the log, when the process has ended."""
        if self._stopped:
            raise ServerDied("ComfyUI was stopped.")
        if self.process is None or self.process.poll() is None:
            return
        raise ServerDied(
            f"ComfyUI ended with exit code {self.process.returncode}; the end of {self.log_path}:\n{self.log(25)}"
        )

    def _launch(self, options: list[str]) -> None:
        run = self.run_dir
        command = [str(self.host.python), str(Path(__file__).with_name("server_guard.py"))]
        command += [str(self.host.comfyui / "main.py"), "--listen", "127.0.0.1", "--port", str(self.port)]
        command += [
            "--base-directory",
            str(run),
            "--database-url",
            f"sqlite:///{(run / 'user' / 'comfyui.db').as_posix()}",
        ]
        command += ["--disable-auto-launch", "--disable-api-nodes", "--preview-method", "latent2rgb", *options]
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "NO_PROXY": "127.0.0.1,localhost"}
        env.setdefault(*PATIENT_THREADS)
        if not self.host.owned:
            env["PYTHONPYCACHEPREFIX"] = str(host_root() / "pycache")  # no __pycache__ in somebody else's folders
        group = {"creationflags": 0x200} if os.name == "nt" else {"start_new_session": True}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=run, env={**env, **self.env}, stdin=subprocess.PIPE, stdout=log, stderr=log, **group
            )

    def _wait_until_up(self) -> None:
        probe = ComfyClient(self.url, timeout=5.0)
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            self.check_alive()
            with contextlib.suppress(ComfyError):
                probe.system_stats()
                self.check_alive()  # not somebody else's server on this port
                return
            time.sleep(0.2)
        raise ComfyError(f"ComfyUI did not answer within {self.timeout:.0f} s; the end of its log:\n{self.log(25)}")

    def _check_pack(self) -> None:
        """ComfyError with the log when a custom node folder failed to load."""
        # "0.1 seconds (IMPORT FAILED): folder"; without the brackets it is one of ComfyUI's own optional nodes.
        failed = [line for line in self.log().splitlines() if "(IMPORT FAILED):" in line]
        if failed:
            raise ComfyError("Custom nodes did not load:\n" + "\n".join(failed) + f"\n{self.log(40)}")

    def _mount_custom_nodes(self) -> list[str]:
        """Make the pack and the extra folders appear in the run's custom_nodes; returns the options that this needs."""
        folders = {folder.name: folder.resolve() for folder in self.extra_custom_nodes}
        if self.pack:
            folders[PACK_NAME] = self.pack.resolve()
        unlinked = []
        for name, folder in folders.items():
            if not link_folder(self.run_dir / "custom_nodes" / name, folder):
                unlinked.append(folder)
        if not unlinked:
            return []
        # Without links: search the folders' parents, but load only the named ones.
        config = {f"folder_{i}": {"custom_nodes": str(folder.parent)} for i, folder in enumerate(unlinked)}
        path = self.run_dir / "extra_model_paths.yaml"
        path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
        names = [*folders, *(folder.name for folder in unlinked)]
        return [
            "--extra-model-paths-config",
            str(path),
            "--disable-all-custom-nodes",
            "--whitelist-custom-nodes",
            *names,
        ]
