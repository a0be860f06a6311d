"""Styles of a run: style files as they are, pictures captured once into style files that are kept with the results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from comfy_client import ComfyClient
from comfy_events import ComfyError

from .errors import FleetError, WorkflowError
from .job import FILE, PICTURE, Style
from .out_folder import OutFolder
from .prompts import PLAIN, capture_prompt
from .station import OwnStation
from .workflow import Workflow

STYLE_FILE = ".safetensors"
NO_STYLES = "The workflow has no Load Style or Style K/V Capture of its own choice: it cannot take a --style."


def read_styles(workflow: Workflow, paths: Sequence[Path], libraries: Sequence[Path] = ()) -> dict[str, Style]:
    """A style for each branch, named by its file; of the workflow itself where no --style is given.

    Args:
        libraries: folders of style files, in which names are looked up that are no paths.
    Raises: FleetError for a style that is not there, WorkflowError for a workflow that takes none.
    """
    if not paths:
        return {PLAIN: _own_style(workflow, libraries)}
    if workflow.style is None:
        raise WorkflowError(NO_STYLES)
    found: dict[str, Style] = {}
    for path in paths:
        data = _read(path, libraries)
        kind = FILE if path.suffix.lower() == STYLE_FILE else PICTURE
        branch = path.stem if path.stem not in found else f"{path.stem}_{len(found) + 1}"
        found[branch] = Style(kind, data, path.name, hashlib.sha256(data).hexdigest())
    if len(found) == 1:
        return {PLAIN: next(iter(found.values()))}
    return found


def captured(workflow: Workflow, styles: dict[str, Style], station: OwnStation, out: OutFolder) -> dict[str, Style]:
    """The same styles, with a style file for every picture: captured on `station`, or kept from an earlier run.

    Raises: FleetError with the node's sentence where a style cannot be captured; StationDown.
    """
    return {
        branch: _captured(workflow, branch, style, station, out) if style.kind == PICTURE else style
        for branch, style in styles.items()
    }


def _captured(workflow: Workflow, branch: str, style: Style, station: OwnStation, out: OutFolder) -> Style:
    graph, save = capture_prompt(workflow, style.upload_name(), "cellstyle-batch", Path(style.name).stem[:200])
    key = hashlib.sha256(json.dumps(graph, sort_keys=True).encode() + style.sha256.encode()).hexdigest()[:24]
    kept = out.folder("styles") / f"{key}{STYLE_FILE}"
    if not kept.is_file():
        station.ensure()
        with ComfyClient(station.url, lambda: station.alive("", 0)) as client:
            try:
                station.put_style(style.data, style.upload_name(), client)
                result = client.run(graph, timeout=3600)
                name = str(result.outputs[save]["text"][0]).rpartition(": ")[0]
                data = station.read_style(name)
                station.clean(result.prompt_id, result.outputs, client)
            except (ComfyError, OSError) as error:
                raise FleetError(f"The style {style.name} could not be captured: {error}") from None
        out.publish(data, kept)
    return Style(FILE, kept.read_bytes(), kept.name, style.sha256)


def _own_style(workflow: Workflow, libraries: Sequence[Path]) -> Style:
    """What the workflow itself names: a style file that is shipped where it is at hand, else left to the server."""
    if workflow.style is None or not workflow.loads_style_file():
        return Style()
    name = workflow.graph[workflow.style]["inputs"].get("file")
    for folder in libraries:
        if isinstance(name, str) and (folder / name).is_file():
            data = (folder / name).read_bytes()
            return Style(FILE, data, Path(name).name, hashlib.sha256(data).hexdigest())
    return Style()


def _read(path: Path, libraries: Sequence[Path]) -> bytes:
    for place in (path, *(folder / path for folder in libraries)):
        if place.is_file():
            try:
                return place.read_bytes()
            except OSError as error:
                raise FleetError(f"The style {place} cannot be read: {error.strerror}.") from None
    raise FleetError(f"There is no style {path}: give a style file (.safetensors) or a picture.")
