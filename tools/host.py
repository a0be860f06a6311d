#!/usr/bin/env python3
"""Prepare a real ComfyUI to run, test and demonstrate this pack against.

    python3 tools/host.py [--comfyui 0.16.3|0.18.2|0.30.0]

Everything goes into .host/ in the checkout: venv/ (one Python environment for all versions) and ComfyUI-VERSION/. The
first run downloads a few GB; the next takes a second. It may be interrupted at any point and run again.

To use a ComfyUI you already have, set CELLSTYLE_COMFYUI=/path/to/ComfyUI (and, if its Python is not in a venv beside
it, CELLSTYLE_PYTHON=/path/to/python): nothing is downloaded, and nothing of it is changed.
"""

import require_python  # noqa: F401  first: an old Python cannot even parse what follows

# isort: split
import argparse
import contextlib
import shlex
import shutil
import signal
import sys
import time

from host_layout import (
    DEFAULT_VERSION,
    ENV_COMFYUI,
    SOURCES,
    Host,
    HostError,
    chosen_version,
    find,
    host_root,
    source_folder,
    users_host,
    venv_python,
)
from host_packages import (
    find_uv,
    missing_packages,
    packages_are_ready,
    prepare_packages,
    prepare_venv,
    venv_folder,
)
from host_source import prepare_source, source_is_ready
from host_steps import GIB, Stages, check_space, only_one

__all__ = ["Host", "HostError", "find", "main", "prepare", "run_tool"]

SPACE_FRESH, SPACE_UPDATE, SPACE_SOURCE = 8 * GIB, 2 * GIB, GIB // 4


def prepare(version: str | None = None, *, tests: bool = False, say=print) -> Host:
    """Make sure there is a host and return it; says nothing when there is nothing to do.

    version: one of SOURCES (default: CELLSTYLE_COMFYUI_VERSION, then the newest); ignored for a user's own ComfyUI, of
    which only the presence of packages is checked (`tests`: those of the tests too). HostError when it can't be had.
    """
    own = users_host()
    if own:
        check_users_host(own, tests)
        return own
    version = chosen_version(version)
    if not _is_ready(version):
        _prepare(version, say)
    return Host(venv_python(), source_folder(version), version)


def check_users_host(host: Host, tests: bool) -> None:
    """HostError with the command to type when the user's Python lacks a package; installs nothing."""
    missing = missing_packages(host, tests)
    if missing:
        names = missing[0] if len(missing) == 1 else f"{', '.join(missing[:-1])} and {missing[-1]}"
        command = shlex.join([str(host.python), "-m", "pip", "install", *missing])
        raise HostError(f"The Python of your ComfyUI, {host.python}, lacks {names}. To install: {command}")


def _is_ready(version: str) -> bool:
    return source_is_ready(DEFAULT_VERSION) and source_is_ready(version) and packages_are_ready()


def _prepare(version: str, say) -> None:
    root = host_root()
    with only_one(root / "lock", say) as lock:
        if _is_ready(version):
            return  # the run that was waited for did it
        for stale in root.glob("tmp-*"):
            shutil.rmtree(stale, ignore_errors=True)
        ready = packages_are_ready()
        needed = SPACE_SOURCE if ready else SPACE_UPDATE if venv_folder().is_dir() else SPACE_FRESH
        check_space(root, needed, "Preparing ComfyUI")
        stages = Stages(2 if ready else 5, say)
        say(f"Preparing ComfyUI {version} in {root}" + ("" if ready else " (a few GB the first time)"))
        uv = None
        if not ready:
            stages.next("Looking for uv, the package installer")
            uv = find_uv(stages)
        stages.next("Python environment")
        prepare_venv(uv, stages, lock)
        stages.next("ComfyUI's source")
        # The environment is the newest version's, whichever is asked for.
        for each in dict.fromkeys((DEFAULT_VERSION, version)):
            prepare_source(each, stages, lock)
        if not packages_are_ready():
            stages.next("Packages: ComfyUI's requirements, torch, this pack's, and the tests'")
            prepare_packages(uv, stages, lock)
        say(f"Done in {stages.elapsed:.0f} s.")


def run_tool(body) -> int:
    """Run a tool's main body: sentences instead of tracebacks for what a person can act on; returns the exit code."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return body() or 0
    except HostError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Run it again to go on.", file=sys.stderr)
        return 130


def add_version_option(parser: argparse.ArgumentParser) -> None:
    """--comfyui VERSION, as every tool takes it."""
    parser.add_argument(
        "--comfyui",
        metavar="VERSION",
        choices=sorted(SOURCES),
        help=f"ComfyUI to use: {', '.join(SOURCES)} (default {DEFAULT_VERSION})",
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_version_option(parser)
    options = parser.parse_args(arguments)

    def body() -> None:
        started = time.monotonic()
        host = prepare(options.comfyui)
        print(f"ComfyUI {host.version}: {host.comfyui}" + ("" if host.owned else f"  (yours, from {ENV_COMFYUI})"))
        print(f"Python:         {host.python}")
        print(f"Runs and logs:  {host_root() / 'runs'}")
        print(f"Ready ({time.monotonic() - started:.1f} s). Next: python3 tools/demo.py, python3 tools/test.py")

    return run_tool(body)


if __name__ == "__main__":
    sys.exit(main())
