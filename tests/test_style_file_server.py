"""Saving and loading styles on a real server."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import pytest
from comfy_client import ExecutionError, PromptRejected
from test_server import GRAPH, calls, digest

STEPS = GRAPH["invert"]["inputs"]["steps"]
SAVE = {
    **{key: GRAPH[key] for key in ("model", "count", "style", "capture")},
    "picture": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 48, "batch_size": 1, "color": 255}},
    "save": {
        "class_type": "CellStyleSave",
        "inputs": {
            "style_kv": ["capture", 0],
            "inverted": ["capture", 1],
            "name": "server/ink",
            "format": "compact",
            "precision": "fp32",
            "overwrite": True,
            "image": ["picture", 0],
            "title": "Ink",
        },
    },
}
LOAD = {
    **{key: GRAPH[key] for key in GRAPH if key not in ("style", "capture")},
    "load": {"class_type": "CellStyleLoad", "inputs": {"file": "server/ink.safetensors", "model": ["count", 0]}},
    "thumbnail": {"class_type": "PreviewImage", "inputs": {"images": ["load", 2]}},
}
LOAD["adain"] = {**LOAD["adain"], "inputs": {**LOAD["adain"]["inputs"], "style": ["load", 1]}}
LOAD["sample"] = {**LOAD["sample"], "inputs": {**LOAD["sample"]["inputs"], "style_kv": ["load", 0]}}


def style_folder(server) -> Path:
    return next(server.output_dir.parent.rglob("cellstyle/server/ink.safetensors")).parent


def changed(graph: dict, node: str, **inputs) -> dict:
    graph = copy.deepcopy(graph)
    graph[node]["inputs"].update(inputs)
    return graph


@pytest.mark.parametrize("form", ["compact", "full"])
def test_a_saved_style_gives_the_picture_of_the_captured_one(client, form):
    saved = client.run(changed(SAVE, "save", name=f"server/{form}", format=form))
    assert saved.outputs["save"]["text"][0].startswith(f"server/{form}.safetensors")
    result = client.run(changed(LOAD, "load", file=f"server/{form}.safetensors"))
    assert digest(result) == digest(client.run(GRAPH))
    assert len(result.outputs["load"]["images"]) == 1  # the thumbnail shows on the node
    assert len(result.outputs["thumbnail"]["images"]) == 1


def test_the_list_of_files_has_what_was_saved(client):
    client.run(SAVE)
    options = json.dumps(client.object_info("CellStyleLoad"))
    assert "server/ink.safetensors" in options and ".tmp" not in options


def test_a_compact_style_costs_its_steps_once_and_again_when_it_was_overwritten(server, client):
    client.run(SAVE)
    client.run(LOAD)
    spent = []
    for gamma in (0.4, 0.5):
        before = calls(client)
        client.run(changed(LOAD, "sample", gamma=gamma))
        spent.append(calls(client) - before)
        os.utime(style_folder(server) / "ink.safetensors")  # as after an overwrite
    assert spent == [STEPS, 2 * STEPS]


def test_one_run_saves_a_style_and_loads_what_it_wrote(client):
    graph = {**SAVE, **LOAD, "style": SAVE["style"], "capture": SAVE["capture"]}
    graph = changed(graph, "save", name="server/wired")
    graph = changed(graph, "load", file="no style saved yet", file_name=["save", 0])
    result = client.run(graph)
    assert result.outputs["save"]["text"][0].startswith("server/wired.safetensors")
    before = calls(client)
    client.run(changed(graph, "sample", gamma=0.45))
    assert calls(client) - before == STEPS  # what is loaded stays in ComfyUI's cache
    assert digest(result) == digest(client.run(GRAPH))


def test_what_is_no_style_gets_a_sentence(server, client):
    client.run(SAVE)
    folder = style_folder(server)
    (folder / "broken.safetensors").write_bytes((folder / "ink.safetensors").read_bytes()[:-1])
    graph = changed(LOAD, "load", file="server/broken.safetensors")
    with pytest.raises(
        ExecutionError, match=r"broken\.safetensors cannot be used as a style: it is truncated"
    ) as error:
        client.run(graph)
    assert error.value.exception_type == "ValueError"
    other = changed(LOAD, "model", kind="sdxl")
    with pytest.raises(ExecutionError, match="another kind of model"):
        client.run(other)


def test_a_client_that_may_only_upload_brings_its_style(server, client):
    client.run(SAVE)
    name = client.upload_image((style_folder(server) / "ink.safetensors").read_bytes(), "brought.safetensors")
    result = client.run(changed(LOAD, "load", file=f"{name} [input]"))
    assert digest(result) == digest(client.run(GRAPH))


@pytest.mark.parametrize("file", ["../../secret.safetensors", "/etc/passwd", "server/none.safetensors", ""])
def test_a_file_outside_the_folder_is_refused_before_anything_runs(client, file):
    with pytest.raises(PromptRejected, match=r"not in|does not name"):
        client.run(changed(LOAD, "load", file=file))
    if file:
        with pytest.raises(PromptRejected, match=r"not in|does not name"):
            client.run(changed(LOAD, "load", file_name=file))


def test_a_name_outside_the_folder_is_refused(server, client):
    with pytest.raises(ExecutionError, match="not a name for a style file"):
        client.run(changed(SAVE, "save", name="../../escape"))
    assert not list(server.output_dir.parent.rglob("escape*"))
