"""Runs of the fleet for tests: contents, workflows, the stand-in for ComfyUI, the command in its own process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from cellstyle.fleet.manifest import merged
from cellstyle.fleet.pixels import pixels_sha256
from places import ROOT, SUPPORT

STAND_IN = SUPPORT / "stand_in_comfyui"
BATCH = ROOT / "tools" / "batch.py"
GRAPH = {
    "1": {"class_type": "CellStyleLoadMicrograph", "inputs": {"file": "x.tif", "size": "keep"}},
    "2": {"class_type": "CellStyleLoad", "inputs": {"file": "ink.safetensors"}},
    "3": {"class_type": "Transfer", "inputs": {"content": ["1", 0], "style": ["2", 0], "gamma": 0.5}},
    "4": {
        "class_type": "SaveImage",
        "inputs": {"images": ["3", 0], "filename_prefix": "x"},
        "_meta": {"title": "Result"},
    },
}


def use_stand_in(monkeypatch, tmp_path: Path, **env: object) -> None:
    """Own servers are the stand-in from now on, in this process and in those that it starts."""
    monkeypatch.setenv("CELLSTYLE_COMFYUI", str(stand_in_folder(tmp_path)))
    monkeypatch.setenv("CELLSTYLE_PYTHON", sys.executable)
    monkeypatch.setenv("CELLSTYLE_CPU", "1")
    marks = tmp_path / "marks"
    marks.mkdir(exist_ok=True)
    for name, value in {"MARKS": marks, **env}.items():
        monkeypatch.setenv(f"STAND_IN_{name}", str(value))


def stand_in_folder(tmp_path: Path) -> Path:
    """A folder that looks like a ComfyUI."""
    folder = tmp_path / "comfyui"
    (folder / "comfy").mkdir(parents=True, exist_ok=True)
    (folder / "main.py").write_bytes((STAND_IN / "main.py").read_bytes())
    (folder / "comfyui_version.py").write_text('__version__ = "0"\n')
    return folder


def write_contents(folder: Path, good: int = 12, **more: str) -> Path:
    """`good` contents in two folders, and others by name: what they hold decides what the stand-in does with them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(good):
        path = folder / ("a" if number % 2 else "b/c") / f"cell_{number:03}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content %d" % number)
    for name, text in more.items():
        (folder / f"{name}.tif").write_text(text)
    return folder


def write_workflow(tmp_path: Path, graph: dict | None = None) -> Path:
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(graph or GRAPH))
    return path


def write_style(tmp_path: Path, name: str = "ink") -> Path:
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(f"style {name}".encode())
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(BATCH), *map(str, arguments)]


def start(*arguments: object, **env: str) -> subprocess.Popen:
    """The command in a process of its own that does not inherit an ignored Ctrl-C."""
    options = (
        {} if os.name == "nt" else {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    )
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CELLSTYLE_INSIDE_HOST": "1", **env},
        **options,
    )


def run(*arguments: object, timeout: float = 900, **env: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error)"""
    process = start(*arguments, **env)
    try:
        said, complained = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, said, complained


def processes_of(pid: int, word: str, recursive: bool = False) -> list[psutil.Process]:
    """The children of a process, or all that come from it, with a word in their command lines."""
    found = []
    for process in psutil.Process(pid).children(recursive):
        with contextlib.suppress(psutil.Error):  # one that has just ended
            if word in " ".join(process.cmdline()):
                found.append(process)
    return found


def servers_of(pid: int) -> list[int]:
    """Processes of ComfyUIs that a runner has started."""
    return [process.pid for process in processes_of(pid, "server_guard.py")]


def results(out: Path) -> dict[str, str]:
    """The hash of every result's pixels by its path in the folder."""
    found = [path for path in Path(out).rglob("*.png") if "cellstyle-batch" not in path.relative_to(out).parts[:1]]
    return {path.relative_to(out).as_posix(): pixels_sha256(path.read_bytes()) for path in sorted(found)}


def check_complete(out: Path, expected: dict[str, str], poison: set[str]) -> list[dict]:
    """Every good result there with the expected pixels, one manifest row each, and the poison named; the rows."""
    assert results(out) == expected
    rows = list(merged(out))
    done = {row["output"]: row for row in rows if row["status"] == "done"}
    assert len(rows) == len(expected) + len(poison)
    assert {name: row["pixels_sha256"] for name, row in done.items()} == expected
    failed = {row["input"]: row for row in rows if row["status"] == "failed"}
    assert set(failed) == poison
    state = Path(out) / "cellstyle-batch"
    for name in ("claims", "drafts", "runners"):
        left = list((state / name).iterdir()) if (state / name).is_dir() else []
        assert not left, f"{name}: {left}"
    return rows
