"""What a ComfyUI server run needs from the machine: a free port, links, the device, and a clean end."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from comfy_events import ComfyError
from host_layout import ENV_CPU, Host

RUNS_KEPT = 20


def link_folder(link: Path, target: Path) -> bool:
    """Make `link` lead to the folder `target` (a link, or a junction on Windows); False where neither is possible."""
    try:
        link.symlink_to(target, target_is_directory=True)
        return True
    except (OSError, NotImplementedError):
        pass
    try:
        import _winapi

        _winapi.CreateJunction(str(target), str(link))
        return True
    except (ImportError, OSError):
        return False


def free_port(wanted: int = 0) -> int:
    """`wanted` when nothing listens on it, otherwise (or for 0) a port the system says is free."""
    for port in (wanted, 0) if wanted else (0,):
        with socket.socket() as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise ComfyError("No free port on 127.0.0.1.")


def device_options(host: Host, cpu: bool | None = None) -> list[str]:
    """Options that make ComfyUI run on the CPU when that is asked for, or when there is no accelerator."""
    if cpu is None:
        cpu = os.environ.get(ENV_CPU) == "1" or not has_accelerator(host)
    # The CPU's default attention (sub-quadratic) is several times slower.
    return ["--cpu", "--use-pytorch-cross-attention"] if cpu else []


def has_accelerator(host: Host) -> bool:
    """Whether the host's torch has one; torch is only asked (seconds) when the machine looks as if it had."""
    hints = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/accel", "/dev/davinci_manager")
    looks = sys.platform in ("win32", "darwin") or any(map(os.path.exists, hints)) or shutil.which("nvidia-smi")
    if not looks:
        return False
    code = "import torch; print(torch.accelerator.is_available() or torch.cuda.is_available())"
    answer = subprocess.run([str(host.python), "-c", code], capture_output=True, text=True, timeout=120)
    return answer.stdout.strip() == "True"


def end_process(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the group, SIGKILL after 5 s; on Windows the process tree."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    if process.stdin:
        process.stdin.close()


def remove(path: Path) -> None:
    """Delete a file, a link (never what it leads to) or a folder."""
    for entry in list(path.iterdir()) if path.name == "custom_nodes" and path.is_dir() else []:
        with contextlib.suppress(OSError):
            os.rmdir(entry) if os.name == "nt" else entry.unlink()  # junctions are removed like empty folders
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def prune_runs(runs: Path) -> None:
    """Delete the oldest run folders beyond the last RUNS_KEPT, except those whose process still lives."""
    folders = sorted(runs.iterdir(), key=lambda path: path.stat().st_mtime) if runs.is_dir() else []
    for folder in folders[:-RUNS_KEPT]:
        parts = folder.name.split("-")
        alive = len(parts) == 4 and os.name == "posix" and os.path.exists(f"/proc/{parts[2]}")
        if not alive and folder.is_dir():
            for path in folder.iterdir():
                remove(path)
            shutil.rmtree(folder, ignore_errors=True)
