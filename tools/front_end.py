"""Another front end than the one that ComfyUI's requirements pin, in a folder of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from host_layout import HostError, host_root

PACKAGE = "comfyui-frontend-package"


def front_end_root(version: str) -> Path:
    """Where the files of a front end lie, for ComfyUI's --front-end-root; installed there first, with pip.

    version: "newest" on the package index, or a number such as "1.58.1".

    Raises: HostError: not a version, or pip could not install it.
    """
    if version != "newest" and not re.fullmatch(r"\d+(\.\w+)+", version):
        raise HostError(f"{version!r} is not a version of the front end; give one such as 1.58.1, or newest.")
    folder = host_root() / "front_ends" / version
    wanted = PACKAGE if version == "newest" else f"{PACKAGE}=={version}"
    root = folder / "comfyui_frontend_package" / "static"
    if version == "newest" or not root.is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(folder)]
        done = subprocess.run([*pip, wanted], capture_output=True, text=True)
        if done.returncode:
            raise HostError(f"{wanted} could not be installed into {folder}:\n{done.stderr[-1000:]}")
    return root


def front_end_version(root: Path) -> str:
    """The version of an installed front end."""
    (info,) = root.parent.parent.glob("comfyui_frontend_package-*.dist-info")
    return info.name.split("-")[1].removesuffix(".dist")
