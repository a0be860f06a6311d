"""tools/comfy_server.py with a stand-in for ComfyUI: ports, isolation, and an end that always comes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import comfy_server
import pytest
from comfy_events import ComfyError, ServerDied
from comfy_server import ComfyServer
from host_layout import Host

TOOLS = Path(comfy_server.__file__).parent
STAND_IN = """
import http.server, os, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
print("listening", " ".join(sys.argv[1:]), flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'{"system": {}}')
    def log_message(self, *arguments): pass
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A Host whose main.py answers /system_stats and nothing else."""
    monkeypatch.setenv("CELLSTYLE_HOST_ROOT", str(tmp_path / "host"))
    monkeypatch.setenv("CELLSTYLE_CPU", "1")
    (tmp_path / "comfyui").mkdir()
    (tmp_path / "comfyui" / "main.py").write_text(STAND_IN)
    return Host(Path(sys.executable), tmp_path / "comfyui", "0")


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie doesn't)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_dead(pid: int, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_alive(pid)


def test_a_busy_port_is_replaced(stand_in: Host):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        wanted = busy.getsockname()[1]
        with ComfyServer(stand_in, pack=None, port=wanted) as server:
            assert server.port != wanted
            assert server.client.system_stats() == {"system": {}}


def test_a_free_port_is_kept(stand_in: Host):
    wanted = comfy_server.free_port()
    with ComfyServer(stand_in, pack=None, port=wanted) as server:
        assert server.url == f"http://127.0.0.1:{wanted}"


def test_it_is_stopped_after_an_exception(stand_in: Host):
    with pytest.raises(ZeroDivisionError), ComfyServer(stand_in, pack=None) as server:
        pid = server.process.pid
        raise ZeroDivisionError
    assert not is_alive(pid)
    assert "listening" in server.log()


def test_only_the_log_stays_and_what_links_lead_to_is_untouched(stand_in: Host, tmp_path: Path):
    pack = tmp_path / "some_pack"
    pack.mkdir()
    (pack / "__init__.py").touch()
    with ComfyServer(stand_in, pack=pack, extra_custom_nodes=[pack]) as server:
        mounted = server.run_dir / "custom_nodes"
        assert sorted(path.name for path in mounted.iterdir()) == ["cellstyle", "some_pack"]
        assert (mounted / "cellstyle" / "__init__.py").is_file()
        (server.output_dir / "image.png").touch()
    assert [path.name for path in server.run_dir.iterdir()] == ["server.log"]
    assert (pack / "__init__.py").is_file()


def test_without_links_the_parent_is_searched_for_the_named_folders_only(
    stand_in: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(comfy_server, "link_folder", lambda link, target: False)
    with ComfyServer(stand_in, pack=tmp_path / "a_checkout", keep=True) as server:
        assert "--disable-all-custom-nodes --whitelist-custom-nodes cellstyle a_checkout" in server.log()
        assert str(tmp_path) in (server.run_dir / "extra_model_paths.yaml").read_text()


def test_a_server_that_dies_shows_the_end_of_its_log(stand_in: Host):
    (stand_in.comfyui / "main.py").write_text("raise SystemExit('no such device')")
    with pytest.raises(ServerDied, match=r"exit code 1[^$]*no such device"):
        ComfyServer(stand_in, pack=None).__enter__()


def test_a_server_that_says_nothing_is_given_up(stand_in: Host):
    (stand_in.comfyui / "main.py").write_text("import time; print('thinking', flush=True); time.sleep(60)")
    server = ComfyServer(stand_in, pack=None, timeout=1.5)
    with pytest.raises(ComfyError, match=r"did not answer within[^$]*thinking"):
        server.__enter__()
    assert server.process is None


def test_a_pack_that_does_not_load_is_an_error(stand_in: Host):
    (stand_in.comfyui / "main.py").write_text(
        "print('0.0 seconds (IMPORT FAILED): x/cellstyle', flush=True)" + STAND_IN
    )
    with pytest.raises(ComfyError, match="IMPORT FAILED"):
        ComfyServer(stand_in, pack=None).__enter__()


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize("kill_with", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_the_process_that_started_it(stand_in: Host, kill_with: signal.Signals):
    code = f"""
import signal, sys, time; sys.path.insert(0, {str(TOOLS)!r})
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in a shell's background inherits it ignored
from comfy_server import *; from host_layout import *
with ComfyServer(Host(Path(sys.executable), Path({str(stand_in.comfyui)!r}), "0"), pack=None) as server:
    print(server.process.pid, flush=True)
    time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with parent:
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.send_signal(kill_with)
        parent.wait(timeout=20)
    assert wait_until_dead(pid)
