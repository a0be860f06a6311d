#!/usr/bin/env python3
"""Run the tests in a real ComfyUI's environment, preparing it first if needed.

python3 tools/test.py [--comfyui VERSION] [pytest arguments]

Without pytest arguments everything runs, in several processes; with some, in one.
"""

import require_python  # noqa: F401  first: an old Python cannot even parse what follows

# isort: split
import argparse
import os
import shutil
import subprocess
import sys

from host import add_version_option, prepare, run_tool
from host_layout import ENV_VERSION, ROOT

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
PROCESSES = min(4, max(2, CORES - 1))  # each has a server beside it, and the two take turns
EVERYTHING = ["-n", str(PROCESSES), "--dist", "loadfile", "--durations=25"]
CHROMIUM_NAMES = ("chromium", "google-chrome", "chromium-browser")


def main(arguments: list[str] | None = None) -> int:
    """Prepare the host, run pytest in it from the repository's root, and return pytest's exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_version_option(parser)
    options, rest = parser.parse_known_args(arguments)

    def body() -> int:
        host = prepare(options.comfyui, tests=True)
        if not any(map(shutil.which, CHROMIUM_NAMES)):
            what = "fail" if os.environ.get("CI") else "be skipped"
            print(f"No Chromium on PATH: the browser tests will {what} (install the package chromium).", flush=True)
        env = {**os.environ, "PYTHONUTF8": "1"}
        if host.owned:
            env[ENV_VERSION] = host.version
        if not rest:
            env.setdefault("OMP_NUM_THREADS", "1")
        command = [str(host.python), "-m", "pytest", *(rest or EVERYTHING)]
        if os.name == "nt":
            return subprocess.call(command, cwd=ROOT, env=env)
        os.chdir(ROOT)
        sys.stdout.flush()
        os.execve(command[0], command, env)

    return run_tool(body)


if __name__ == "__main__":
    sys.exit(main())
