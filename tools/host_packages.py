"""The host's Python environment: uv (or pip where uv can't be had), the virtual environment, what goes into it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from host_layout import DEFAULT_VERSION, ROOT, Host, HostError, host_root, source_folder, venv_python
from host_steps import CommandFailed, Stages, run_command, write_atomically

# These three fit together; torchaudio has no release for a later torch.
TORCH = ("torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")
PYTHONS = ("3.11", "3.12", "3.10")
RUNTIME, DEVELOPMENT = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
PIP = next(line for line in DEVELOPMENT.read_text(encoding="utf-8").splitlines() if line.startswith("pip=="))


def venv_folder() -> Path:
    """The virtual environment that all prepared ComfyUI versions share."""
    return host_root() / "venv"


def unfinished_mark() -> Path:
    """Exists while the environment is being changed: found at the start, it means a run was cut off."""
    return host_root() / "venv.unfinished"


def find_uv(stages: Stages) -> str | None:
    """A uv that works: on PATH, in this Python, or one installed into a small folder of its own; None without one."""
    own = host_root() / "uv"
    inside = venv_python(own).with_name("uv.exe" if os.name == "nt" else "uv")
    beside = Path(sys.executable).with_name(inside.name)
    for candidate in (shutil.which("uv"), str(beside), str(inside)):
        if candidate and _works([candidate, "--version"]):
            return candidate
    stages.note("no uv here; installing it into .host/uv")
    shutil.rmtree(own, ignore_errors=True)
    try:
        run_command([sys.executable, "-m", "venv", str(own)])
        run_command([str(venv_python(own)), "-m", "pip", "install", "--quiet", "--retries", "2", "uv"])
    except CommandFailed as failure:
        shutil.rmtree(own, ignore_errors=True)
        why = "the package index can't be reached" if failure.network else failure.last_lines
        stages.note(f"uv could not be installed ({why}); pip is used instead, which is slower")
        return None
    return str(inside)


def prepare_venv(uv: str | None, stages: Stages, lock: int) -> None:
    """Make the virtual environment, with pip in it, unless a sound one is there; drop one that a cut-off run left."""
    venv, mark = venv_folder(), unfinished_mark()
    if mark.exists():
        stages.note("an earlier run was interrupted; starting the environment afresh (downloads are cached)")
        discard(venv)
        mark.unlink(missing_ok=True)
    if venv.exists() and not _works([str(venv_python()), "-c", "pass"]):
        discard(venv)
    if not venv.exists():
        mark.touch()
        try:
            run_command(_venv_command(uv, venv), keep_open=(lock,))
        except CommandFailed as failure:
            discard(venv)
            mark.unlink(missing_ok=True)
            raise HostError(f"The virtual environment could not be made: {failure.last_lines}") from None
        mark.unlink()
    version = _output([str(venv_python()), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    if version not in PYTHONS:
        raise HostError(
            f"{venv} has Python {version}, and ComfyUI's packages need 3.10, 3.11 or 3.12: delete that folder and run "
            "this again."
        )
    if not _works([str(venv_python()), "-m", "pip", "--version"]):
        install([PIP], uv, stages, lock)


def _venv_command(uv: str | None, venv: Path) -> list[str]:
    """The command that makes `venv` with a Python that fits; HostError when there is none."""
    if uv:
        for version in PYTHONS:
            if _works([uv, "python", "find", "--no-python-downloads", "--system", "--no-project", version]):
                return [uv, "venv", "--quiet", "--no-project", "--python", version, str(venv)]
        return [uv, "venv", "--quiet", "--no-project", "--python", PYTHONS[0], str(venv)]  # uv downloads one
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    named = [sys.executable] if here in PYTHONS else []
    named += [path for path in (shutil.which(f"python{version}") for version in PYTHONS) if path]
    if not named:
        raise HostError(
            f"This is Python {here}; ComfyUI's packages need Python 3.10, 3.11 or 3.12: install one of them."
        )
    return [named[0], "-m", "venv", str(venv)]


def packages_key() -> str:
    """Identifies what belongs into the environment: the requirement files and the pins."""
    digest = hashlib.sha256("\n".join(TORCH).encode())
    for path in (source_folder(DEFAULT_VERSION) / "requirements.txt", RUNTIME, DEVELOPMENT):
        digest.update(b"\0" + (path.read_bytes() if path.is_file() else b""))
    return digest.hexdigest()


def packages_are_ready() -> bool:
    """Whether the environment was finished for exactly these requirements (a matter of milliseconds)."""
    try:
        stamp = json.loads((venv_folder() / "cellstyle.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return stamp.get("key") == packages_key() and venv_python().is_file() and not unfinished_mark().exists()


def prepare_packages(uv: str | None, stages: Stages, lock: int) -> None:
    """Install everything and, when it can be imported, write the stamp that says so."""
    files = (source_folder(DEFAULT_VERSION) / "requirements.txt", RUNTIME, DEVELOPMENT)
    install([*TORCH, *(part for path in files for part in ("-r", str(path)))], uv, stages, lock)
    stages.next("Checking that the packages fit together")
    code = "import torch, torchvision, torchaudio, aiohttp, skimage, tifffile, pytest, hypothesis, playwright"
    try:
        run_command([str(venv_python()), "-c", code], stages)
    except CommandFailed as failure:
        raise HostError(f"The packages do not work together: {failure.last_lines}") from None
    stamp = {"key": packages_key(), "torch": TORCH}
    write_atomically(venv_folder() / "cellstyle.json", json.dumps(stamp, indent=1) + "\n")


def install(what: list[str], uv: str | None, stages: Stages, lock: int) -> None:
    """Install into the environment; should it be left half-changed, the mark stays and the next run starts afresh."""
    before, mark = _content(), unfinished_mark()
    mark.touch()
    try:
        _install(what, uv, stages, lock)
    except BaseException:
        if _content() == before:
            mark.unlink()
        raise
    mark.unlink()


def _install(what: list[str], uv: str | None, stages: Stages, lock: int) -> None:
    """With uv, then with pip if uv could not: their index settings may differ. HostError when neither can."""
    python = str(venv_python())
    if uv:
        try:
            run_command([uv, "pip", "install", "--python", python, *what], stages, show=True, keep_open=(lock,))
            return
        except CommandFailed as failure:
            stages.note(f"uv could not install them ({failure.last_lines[-300:] or failure}); trying pip")
    try:
        if not _works([python, "-m", "pip", "--version"]):
            run_command([python, "-m", "ensurepip"])
        command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--retries", "2", *what]
        run_command(command, stages, keep_open=(lock,))
    except CommandFailed as failure:
        if failure.network:
            raise HostError(
                "The packages could not be downloaded: the package index can't be reached. "
                "Check the network (or the proxy and index settings) and run this again."
            ) from None
        raise HostError(f"The packages could not be installed: {failure.last_lines}") from None


def missing_packages(host: Host, tests: bool) -> list[str]:
    """Names from requirements.txt (and requirements-dev.txt, for `tests`) that the host's Python does not have."""
    files = [RUNTIME, DEVELOPMENT] if tests else [RUNTIME]
    lines = [line.split("#")[0].strip() for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    names = [match.group() for line in lines if (match := re.match(r"[A-Za-z0-9._-]+", line))]
    code = (
        "import importlib.metadata as m, sys\n"
        "def there(name):\n"
        "    try: return bool(m.version(name))\n"
        "    except m.PackageNotFoundError: return False\n"
        "print(' '.join(n for n in sys.argv[1:] if not there(n)))"
    )
    return _output([str(host.python), "-c", code, *(name for name in names if name != "pip")]).split()


def discard(folder: Path) -> None:
    """Delete a folder; whatever stays of it after an interruption has a name that nothing else uses."""
    if folder.exists():
        aside = folder.with_name(f"tmp-{folder.name}-{os.getpid()}")
        os.replace(folder, aside)
        shutil.rmtree(aside, ignore_errors=True)


def _content() -> list[tuple[str, int]]:
    """What lies in the environment's package folder, to see whether a failed command changed it."""
    folders = [*venv_folder().glob("lib/python*/site-packages"), *venv_folder().glob("Lib/site-packages")]
    return sorted((entry.name, entry.stat().st_mtime_ns) for folder in folders for entry in os.scandir(folder))


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _output(command: list[str]) -> str:
    """What a short command prints; HostError when it can't run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise HostError(f"{command[0]} can't be used as the host's Python ({error}).") from None
