"""What the builder knows of each node class: its inputs in order, its outputs, its size on the canvas.

The pack's own nodes are read from tests/golden/schema.json, which a test keeps true; ComfyUI's are written down here,
and the browser test finds out when they change.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from core_nodes import CORE
from node_type import Input, NodeType

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "schema.json"
# text that only comes by a wire; the schema file does not say so
FORCED = {("CellStyleRestoreSize", "metadata"), ("CellStyleLoad", "file_name")}
# numbers with a "control after generate" below them, and what it is set to; nor does it say this
CONTROLLED = {("CellStyleLoadFolder", "first"): "fixed"}
FOLDING = {"DDIMInvert", "StyleKVCapture", "LatentAdaIN", "InjectedSampler", "CellStyleApply", "CellStyleSweep"}
FOLDING |= {"CellStyleFidelity", "CellStyleLoadMicrograph", "CellStyleTransferFrames"}
UPLOADING = {"CellStyleLoadMicrograph"}
PREVIEWING = {"DDIMInvert", "StyleKVCapture", "InjectedSampler", "CellStyleSweep"}
PREVIEWING |= {
    "CellStyleForeground",
    "CellStyleLoadExample",
    "CellStyleLoadMicrograph",
    "CellStyleTransfer",
    "CellStyleTransferFrames",
    "CellStyleLoad",
    "CellStyleFidelity",
}


@functools.cache
def _own() -> dict[str, NodeType]:
    return {name: _read(name, entry) for name, entry in json.loads(GOLDEN.read_text(encoding="utf-8")).items()}


def _read(name: str, entry: dict[str, Any]) -> NodeType:
    inputs = tuple(
        Input(
            each["name"],
            each["type"],
            _default(each),
            each["group"] == "optional",
            control=CONTROLLED.get((name, each["name"]), ""),
            forced=(name, each["name"]) in FORCED,
        )
        for each in entry["inputs"]
    )
    outputs = tuple((each["name"], each["type"]) for each in entry["outputs"])
    return NodeType(
        inputs, outputs, "cellstyle", preview=name in PREVIEWING, upload=name in UPLOADING, folds=name in FOLDING
    )


def _default(entry: dict[str, Any]) -> Any:
    return entry.get("default", (entry.get("options") or [None])[0])


def node_type(name: str) -> NodeType:
    """The class `name`; ValueError when neither the pack nor the table of ComfyUI's nodes has it."""
    found = _own().get(name) or CORE.get(name)
    if found is None:
        raise ValueError(
            f"{name} is neither in {GOLDEN.relative_to(ROOT)} nor in the table of core_nodes.py; add it there."
        )
    return found
