#!/usr/bin/env python3
"""What the pack costs beside ComfyUI's own sampler, in one run: ratios, from medians of interleaved repeats.

    python3 tools/bench.py [--quick] [--json FILE] [--only ROWS] [--models MODELS]

Rows: picture (seconds from pixels to pixels), steps (a, b: injection and capture a step), transfer (c: whole runs, and
through the server's cache), memory (d), scaling (e: size, steps, batch), quality (f: round-trip error per call),
tiles (cost against size, seams), frames (memory of a time-lapse by groups), transformers (g: a step of Flux, Z-Image
and Qwen-Image). Times on a shared machine wander, so only ratios within a run mean anything.
"""

import require_python  # noqa: F401  first: an old Python cannot even parse what follows

# isort: split
import argparse
import os
import subprocess
import sys
from pathlib import Path

from host import add_version_option, prepare, run_tool
from host_layout import ENV_VERSION, PATIENT_THREADS

INSIDE = "CELLSTYLE_INSIDE_HOST"  # set once this runs in the host's own Python
ROWS = ("picture", "steps", "transfer", "memory", "scaling", "quality", "fleet", "tiles", "frames", "transformers")
MODELS = ("tiny", "demo", "sd15-fp32", "sd15-bf16", "sd15-fp16")  # fp16 on a GPU alone, the other two on a CPU


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_version_option(parser)
    parser.add_argument("--quick", action="store_true", help="the tiny model alone, few repeats: does everything work?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there too")
    parser.add_argument(
        "--only", nargs="+", choices=ROWS, default=ROWS, metavar="ROWS", help="a part: " + " ".join(ROWS)
    )
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL", help="a part: " + " ".join(MODELS)
    )
    parser.add_argument("--repeats", type=int, help="of every timing (default 7; 3 with --quick)")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write the quality row's pictures there")
    parser.add_argument(
        "--full-size",
        type=int,
        help="side in pixels for the SD 1.5 shape (default: 512 on a GPU, 256) and transformers",
    )
    parser.add_argument("--full-steps", type=int, help="steps of its memory row (default: 50 on a GPU, 4)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Prepare the host, go on in its Python, and measure there; returns the exit code."""
    options = parse(arguments)
    if os.environ.get(INSIDE):
        sys.path.insert(0, str(Path(__file__).resolve().parent / "bench"))
        from run_rows import child, run

        return run_tool(lambda: child(options) if options.child else run(options))

    def body() -> int:
        host = prepare(options.comfyui)
        given = sys.argv[1:] if arguments is None else arguments
        env = {**os.environ, INSIDE: "1", "PYTHONUTF8": "1"}
        env.setdefault(*PATIENT_THREADS)
        if host.owned:
            env[ENV_VERSION] = host.version
        return subprocess.call([str(host.python), str(Path(__file__).resolve()), *given], env=env)

    return run_tool(body)


if __name__ == "__main__":
    sys.exit(main())
