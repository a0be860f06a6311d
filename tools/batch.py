#!/usr/bin/env python3
"""Make every micrograph of a folder in one or more styles, by a workflow of your own.

    python3 tools/batch.py WORKFLOW.json --content 'FOLDER/**/*.tif' --style INK.safetensors --out RESULTS

What it does, and how it runs on several GPUs, several servers, a cluster or a SLURM array: docs/fleet.md.
"""

import require_python  # noqa: F401  first: an old Python cannot even parse what follows

# isort: split
import importlib.util
import os
import subprocess
import sys

from host import prepare, run_tool
from host_layout import ENV_VERSION, ROOT, HostError

INSIDE = "CELLSTYLE_INSIDE_HOST"  # set once this runs in the host's own Python
NEEDED = ("aiohttp", "PIL", "tqdm")  # of a Python that only talks to servers, or to Ray


def main(arguments: list[str] | None = None) -> int:
    """Go on in the host's Python where this one lacks something, and run the batch; returns the exit code."""
    sys.path.append(str(ROOT))
    given = sys.argv[1:] if arguments is None else list(arguments)
    from fleet.errors import COULD_NOT_RUN
    from fleet.options import parse

    options = parse(given)
    elsewhere = bool(options.server or options.ray or options.dry_run)
    if os.environ.get(INSIDE) or (elsewhere and all(map(importlib.util.find_spec, NEEDED))):
        from fleet.command import main as run

        return run(given)

    def body() -> int:
        try:
            host = prepare(options.comfyui)
        except HostError as error:
            print(f"Cannot run: {error}", file=sys.stderr)
            return COULD_NOT_RUN
        env = {**os.environ, INSIDE: "1", "PYTHONUTF8": "1"}
        if host.owned:
            env[ENV_VERSION] = host.version
        command = [str(host.python), os.path.abspath(__file__), *given]
        if os.name == "nt":
            return subprocess.call(command, env=env)
        sys.stdout.flush()
        os.execve(command[0], command, env)

    return run_tool(body)


if __name__ == "__main__":
    sys.exit(main())
