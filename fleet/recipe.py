"""What decides a picture beside its content, as a record in the folder of results: one recipe a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .errors import FleetError
from .out_folder import OutFolder
from .workflow import LOADERS, Workflow

_MODELS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft")
_WORDS = {
    "graph": "the workflow's nodes or dials",
    "styles": "the styles",
    "pack": "CellStyle's version",
    "comfyui": "ComfyUI's version",
}


def recipe_of(workflow: Workflow, styles: Mapping[str, str], pack: str, comfyui: str) -> dict[str, Any]:
    """The record of a run.

    Args:
        styles: branch -> SHA-256 of what the style is made from (its file, or its picture).
        pack, comfyui: versions; "unknown" where a server does not say.
    """
    graph = {
        node: {"class_type": fields["class_type"], "inputs": dict(fields["inputs"])}
        for node, fields in workflow.graph.items()
    }
    loader = graph[workflow.content]
    loader["inputs"][LOADERS[loader["class_type"]]] = ""
    loader["inputs"].pop("example", None)
    names = [value for fields in graph.values() for value in fields["inputs"].values() if isinstance(value, str)]
    record = {
        "graph": graph,
        "result": workflow.result,
        "styles": dict(styles),
        "models": sorted({name for name in names if name.lower().endswith(_MODELS)}),
        "pack": pack,
        "comfyui": comfyui,
    }
    return {"recipe": hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest(), **record}


def keep_recipe(out: OutFolder, record: dict[str, Any]) -> None:
    """Writes the run record, or compares with the one that is there.

    Raises: FleetError for a folder whose pictures were made by another recipe; it says what differs.
    """
    path = out.folder("") / "run.json"
    kept = out.publish(json.dumps(record, indent=1, sort_keys=True).encode(), path) if not path.exists() else None
    try:
        kept = json.loads(kept or path.read_bytes())
    except ValueError:
        raise FleetError(f"{path} is no run record. Remove it, or give another --out.") from None
    if kept.get("recipe") == record["recipe"]:
        return
    differs = [words for key, words in _WORDS.items() if kept.get(key) != record.get(key)]
    if kept.get("pack") != record["pack"] or kept.get("comfyui") != record["comfyui"]:
        differs.append(
            f"({kept.get('pack')} on {kept.get('comfyui')} then, {record['pack']} on {record['comfyui']} now)"
        )
    raise FleetError(
        f"The pictures in {out.root} were made by another recipe; what differs: "
        f"{', '.join(differs) or 'the result node'}. "
        "Give another --out, or the workflow and styles of then."
    )
