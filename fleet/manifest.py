"""What was made of what: a line of JSON a result while a run goes on, and all runs of a folder as one table."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import FleetError
from .out_folder import OutFolder, full

COLUMNS = {
    "input": "string",
    "input_sha256": "string",
    "output": "string",
    "pixels_sha256": "string",
    "style": "string",
    "status": "string",
    "attempts": "int64",
    "seconds": "float64",
    "error": "string",
    "error_type": "string",
    "error_node": "string",
    "scores": "string",
    "worker": "string",
    "recipe": "string",
    "pack": "string",
    "comfyui": "string",
    "finished": "string",
}
"""Columns of a manifest and their Arrow types; a text is "" where there is none, scores is JSON."""
DONE, FAILED = "done", "failed"
_ROWS = 10_000


class Journal:
    """Appends rows to a file of its own (no other process writes there), each flushed, so that a kill loses none."""

    def __init__(self, out: OutFolder, shard: tuple[int, int], worker: str = ""):
        name = f"{shard[0]}-of-{shard[1]}.{out.runner}{worker and '.'}{worker}.jsonl"
        self.path, self.out = out.folder("manifest") / name.replace("/", "-").replace(":", "-"), out
        self._lock = threading.Lock()

    def add(self, row: dict[str, Any]) -> None:
        """Raises FleetError where the disk is full."""
        line = json.dumps({name: row.get(name, "") for name in COLUMNS}, ensure_ascii=True) + "\n"
        try:
            with self._lock, open(self.path, "a", encoding="ascii") as file:
                file.write(line)
        except OSError as error:
            raise full(error, self.out.root) or error from None


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of one file; a line that a killed or full writer left torn is no row."""
    with open(path, encoding="ascii", errors="replace") as file:
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and "output" in row:
                yield row


def merged(out: Path) -> Iterator[dict[str, Any]]:
    """One row an output, of all runs and shards: the last that made it, else the last failure.

    A row whose output is not there (its runner was killed between the two, or somebody removed the picture) is left
    out. Memory: one small entry an output.
    """
    files = sorted((Path(out) / "cellstyle-batch" / "manifest").glob("*.jsonl"))
    best: dict[str, tuple[bool, str, int, int]] = {}
    for number, path in enumerate(files):
        for line, row in enumerate(rows_of(path)):
            rank = (row["status"] == DONE, str(row["finished"]), number, line)
            if rank > best.get(row["output"], (False, "", -1, -1)):
                best[row["output"]] = rank
    for number, path in enumerate(files):
        for line, row in enumerate(rows_of(path)):
            if best[row["output"]][2:] == (number, line) and (row["status"] != DONE or _is_there(out, row)):
                yield row


def check_table(path: Path) -> None:
    """FleetError, before a run, for a table that could not be written after it."""
    if path.suffix not in (".jsonl", ".parquet"):
        raise FleetError(f"--manifest {path}: give a name that ends in .jsonl or .parquet.")
    if path.suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise FleetError(
                "--manifest with .parquet needs pyarrow, which is not installed: pip install pyarrow, or give a name "
                "that ends in .jsonl."
            ) from None


def write_table(out: Path, path: Path) -> int:
    """`merged` as one file, by its name's end; returns its rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    writer = _write_parquet if path.suffix == ".parquet" else _write_lines
    count = writer(merged(out), draft)
    draft.replace(path)
    return count


def _write_lines(rows: Iterator[dict[str, Any]], path: Path) -> int:
    count = 0
    with open(path, "w", encoding="ascii") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
            count += 1
    return count


def _write_parquet(rows: Iterator[dict[str, Any]], path: Path) -> int:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in COLUMNS.items()])
    count, waiting = 0, []
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:

        def write() -> None:
            writer.write_table(pyarrow.Table.from_pylist([_typed(row) for row in waiting], schema=schema))
            waiting.clear()

        for row in rows:
            waiting.append(row)
            count += 1
            if len(waiting) == _ROWS:
                write()
        write()
    return count


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) if row.get(name) != "" or kind == "string" else None for name, kind in COLUMNS.items()}


def _is_there(out: Path, row: dict[str, Any]) -> bool:
    return (Path(out) / row["output"]).is_file()
