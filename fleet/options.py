"""The command line of a batch."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import FleetError

DESCRIPTION = """Make every micrograph of a folder in one or more styles, by a workflow of your own.

  python3 tools/batch.py WORKFLOW.json --content 'FOLDER/**/*.tif' --style INK.safetensors --out RESULTS

WORKFLOW.json is exported by the editor in API format. Each result is saved as RESULTS/path/name.tif.png (with several
styles RESULTS/STYLE/path/name.tif.png), and what is there is not made again: run the same command to go on.

Exit codes: 0 all good; 1 some pictures failed (they are named); 2 the run could not start or go on; 130 interrupted."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; exits with 2 for one that makes no sense."""
    parser = argparse.ArgumentParser(
        prog="batch.py", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("workflow", type=Path, help="a workflow in API format")
    add("--content", nargs="+", required=True, metavar="PATTERN", help="folders, files or patterns (** is any folder)")
    add(
        "--style",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="style files, or pictures to capture; a branch each",
    )
    add(
        "--out", type=Path, required=True, metavar="FOLDER", help="where results go, and what the run keeps beside them"
    )

    where = parser.add_argument_group("where it runs (default: one ComfyUI on this machine)")
    where.add_argument("--server", nargs="+", default=[], metavar="URL", help="ComfyUIs that run already")
    where.add_argument("--gpus", type=_positive, metavar="N", help="one ComfyUI on each of N GPUs of this machine")
    where.add_argument(
        "--workers", type=_positive, metavar="N", help="ComfyUIs without a GPU each, or actors with --ray"
    )
    where.add_argument(
        "--ray", nargs="?", const="local", metavar="ADDRESS", help="Ray: on this machine, at ADDRESS, or auto"
    )
    where.add_argument(
        "--shard", type=shard, metavar="I/N", help="part I of N, from 0 (default: SLURM's array variables)"
    )
    where.add_argument("--comfyui", metavar="VERSION", help="version of the ComfyUI that is started")
    where.add_argument(
        "--models", nargs="+", type=Path, default=[], metavar="FOLDER", help="models for it, laid out as models/"
    )
    where.add_argument("--custom-nodes", nargs="+", type=Path, default=[], metavar="FOLDER", help="other packs for it")

    nodes = parser.add_argument_group("which nodes, by id or title, where the workflow has several")
    nodes.add_argument("--content-node", metavar="NODE", help="Load Micrograph (or Load Image)")
    nodes.add_argument("--style-node", metavar="NODE", help="Load Style or Style K/V Capture")
    nodes.add_argument("--result-node", metavar="NODE", help="the node that saves the result")

    how = parser.add_argument_group("how")
    how.add_argument(
        "--scores",
        type=scores,
        default=1.0,
        metavar="all|none|FRACTION",
        help="of which pictures Cell Style Fidelity is measured",
    )
    how.add_argument(
        "--time-limit", type=_seconds, default=1800.0, metavar="SECONDS", help="for one picture (default 1800)"
    )
    how.add_argument(
        "--manifest", type=Path, metavar="FILE", help="one table of all runs: .parquet (with pyarrow) or .jsonl"
    )
    how.add_argument("--dry-run", action="store_true", help="count what there is to do, and do nothing")
    how.add_argument("--quiet", action="store_true", help="no bar and no failures, only the last line")
    options = parser.parse_args(arguments)
    chosen = [name for name in ("server", "gpus", "ray") if getattr(options, name)]
    if len(chosen) > 1:
        parser.error(f"--{chosen[0]} and --{chosen[1]} do not go together")
    if options.server and options.workers:
        parser.error("--server names its ComfyUIs: --workers does not go with it")
    if options.shard is None:
        try:
            options.shard = shard_of_array(os.environ)
        except FleetError as error:
            parser.error(str(error))
    return options


def shard(text: str) -> tuple[int, int]:
    """I/N, with I from 0 to N - 1."""
    try:
        number, count = map(int, text.split("/"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no shard: give I/N, such as 0/8 to 7/8") from None
    if not 0 <= number < count:
        raise argparse.ArgumentTypeError(
            f"{text} is no shard: of {count} the first is 0/{count}, the last {count - 1}/{count}"
        )
    return number, count


def shard_of_array(env: Mapping[str, str]) -> tuple[int, int]:
    """The shard of a SLURM array's task, also of --array=1-8 or 0-14:2; (0, 1) outside of one.

    Raises: FleetError for variables that are no numbers.
    """
    if "SLURM_ARRAY_TASK_ID" not in env:
        return 0, 1
    try:
        task = int(env["SLURM_ARRAY_TASK_ID"])
        count = int(env["SLURM_ARRAY_TASK_COUNT"])
        first, step = int(env.get("SLURM_ARRAY_TASK_MIN", 0)), int(env.get("SLURM_ARRAY_TASK_STEP", 1))
    except (KeyError, ValueError):
        raise FleetError("SLURM's array variables are not all there: give --shard I/N.") from None
    number, rest = divmod(task - first, step)
    if rest or not 0 <= number < count:
        raise FleetError("SLURM's array is no plain range, such as 0-7: give --shard I/N.")
    return number, count


def scores(text: str) -> float:
    """all, none or a number from 0 to 1."""
    named = {"all": 1.0, "none": 0.0}
    try:
        value = named.get(text)
        value = float(text) if value is None else value
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: give all, none or a number from 0 to 1")
    return value


def _positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a number from 1")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: give seconds, more than 0")
    return value
