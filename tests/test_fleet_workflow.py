"""Which nodes of a workflow a batch uses, and the prompts that it makes of it."""

from __future__ import annotations

import copy
import json

import pytest
from cellstyle.fleet.errors import WorkflowError
from cellstyle.fleet.prompts import capture_prompt, captures, loads, prompt_for, scoring_settings
from cellstyle.fleet.workflow import read_graph, understand
from fleet_runs import GRAPH, write_workflow
from places import ROOT

FIDELITY = json.loads((ROOT / "workflows" / "api" / "micrograph_fidelity.json").read_text(encoding="utf-8"))


def with_nodes(graph: dict, **nodes: dict) -> dict:
    return {**copy.deepcopy(graph), **nodes}


def test_nodes_are_found_by_class():
    found = understand(GRAPH)
    assert (found.content, found.style, found.result, found.fidelity) == ("1", "2", "4", None)
    found = understand(FIDELITY)
    classes = [FIDELITY[node]["class_type"] for node in (found.content, found.style, found.result, found.fidelity)]
    assert classes == ["CellStyleLoadMicrograph", "StyleKVCapture", "SaveImage", "CellStyleFidelity"]
    assert understand(FIDELITY, scored=False).fidelity is None


def test_several_are_named_and_chosen_by_id_or_title():
    save = {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}, "_meta": {"title": "Original"}}
    graph = with_nodes(GRAPH, **{"9": save})
    with pytest.raises(WorkflowError, match=r"2 Save Image nodes: 4 \(Result\), 9 \(Original\); .*--result-node 4"):
        understand(graph)
    assert understand(graph, result_node="Result").result == "4"
    assert understand(graph, result_node="9").result == "9"
    with pytest.raises(WorkflowError, match=r"--result-node 17 names no node. The workflow's Save Image: 4"):
        understand(graph, result_node="17")
    graph["3"]["inputs"]["second"] = ["5", 0]
    graph["5"] = {"class_type": "CellStyleLoadMicrograph", "inputs": {"file": "y.tif"}}
    with pytest.raises(WorkflowError, match=r"2 Load Micrograph nodes: 1 .*, 5 .*--content-node 1"):
        understand(graph, result_node="4")
    assert understand(graph, content_node="5", result_node="4").content == "5"


def test_a_picture_loader_of_the_style_is_not_the_content():
    graph = {
        "c": {"class_type": "LoadImage", "inputs": {"image": "c.png"}},
        "s": {"class_type": "LoadImage", "inputs": {"image": "s.png"}},
        "k": {"class_type": "StyleKVCapture", "inputs": {"latent": ["s", 0]}},
        "t": {"class_type": "Transfer", "inputs": {"content": ["c", 0], "style": ["k", 0]}},
        "o": {"class_type": "SaveImage", "inputs": {"images": ["t", 0]}},
    }
    found = understand(graph)
    assert (found.content, found.style) == ("c", "k")
    assert captures(found, "new.png")["s"] == {"class_type": "LoadImage", "inputs": {"image": "new.png"}}


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ({"nodes": [], "links": []}, "Export it in API format"),
        ({"a": 1}, "not a workflow in ComfyUI's API format"),
        ([], "not a workflow in ComfyUI's API format"),
        ({}, "not a workflow in ComfyUI's API format"),
        ({"1": {"class_type": "LoadImage", "inputs": {}}}, "saves no picture"),
        ({"4": {"class_type": "SaveImage", "inputs": {}}}, "no Load Micrograph"),
    ],
)
def test_what_is_no_workflow_for_a_batch_gets_a_sentence(tmp_path, graph, words):
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(graph))
    with pytest.raises(WorkflowError, match=words):
        understand(read_graph(path))
    path.write_text("{")
    with pytest.raises(WorkflowError, match="is not JSON"):
        read_graph(path)
    with pytest.raises(WorkflowError, match="cannot be read"):
        read_graph(tmp_path / "none.json")


def test_a_graph_as_it_is_sent_is_one_too(tmp_path):
    assert read_graph(write_workflow(tmp_path, {"prompt": GRAPH, "client_id": "x"})) == GRAPH


def test_one_style_keeps_the_workflows_ids():
    found = understand(GRAPH)
    prompt = prompt_for(found, "new.tif", {"": loads(found, "ink [input]")}, "batch/1")
    assert set(prompt.graph) == set(GRAPH)
    assert prompt.graph["1"]["inputs"]["file"] == "new.tif"
    assert prompt.graph["2"]["inputs"]["file"] == "ink [input]"
    assert prompt.graph["4"]["inputs"]["filename_prefix"] == "batch/1"
    assert prompt.results == {"": "4"}
    assert GRAPH["1"]["inputs"]["file"] == "x.tif"  # the workflow itself stays


def test_several_styles_are_branches_that_share_the_content():
    found = understand(FIDELITY)
    styles = {name: loads(found, f"{name}.safetensors [input]") for name in ("ink", "durian", "mural")}
    prompt = prompt_for(found, "new.tif", styles, "batch/1", scored=True)
    classes = [fields["class_type"] for fields in prompt.graph.values()]
    for shared in ("CellStyleLoadMicrograph", "DDIMInvert", "CellStyleLoadDemoModel"):
        assert classes.count(shared) == 1
    for own in ("CellStyleLoad", "LatentAdaIN", "InjectedSampler", "CellStyleRestoreSize"):
        assert classes.count(own) == 3
    assert "StyleKVCapture" not in classes and "CellStyleFidelity" not in classes and "PreviewImage" not in classes
    assert len(set(prompt.results.values())) == 3
    assert set(prompt.scored["ink"]) == {"content", "result", "style", "mask"}
    for fields in prompt.graph.values():  # every wire leads to a node of the prompt
        assert all(value[0] in prompt.graph for value in fields["inputs"].values() if isinstance(value, list))
    files = {fields["inputs"]["file"] for fields in prompt.graph.values() if fields["class_type"] == "CellStyleLoad"}
    assert files == {f"{name}.safetensors [input]" for name in styles}


def test_a_capture_becomes_load_style_with_the_same_outputs():
    found = understand(FIDELITY)
    node = loads(found, "ink.safetensors [input]")[found.style]
    assert node["class_type"] == "CellStyleLoad"
    capture = FIDELITY[found.style]["inputs"]
    kept = {name: capture[name] for name in ("model", "storage", "feature_precision")}
    assert node["inputs"] == {"file": "ink.safetensors [input]", **kept}


def test_a_style_picture_is_captured_as_the_workflow_captures():
    found = understand(FIDELITY)
    graph, save = capture_prompt(found, "durian.png", "name", "durian")
    classes = [fields["class_type"] for fields in graph.values()]
    assert "CellStyleLoadMicrograph" not in classes and "SaveImage" not in classes
    assert graph[found.style] == FIDELITY[found.style]
    assert graph[save]["inputs"]["style_kv"] == [found.style, 0]
    assert [f["inputs"]["image"] for f in graph.values() if f["class_type"] == "LoadImage"] == ["durian.png"]


def test_where_the_workflow_loads_a_style_a_picture_goes_the_way_of_the_content():
    graph = copy.deepcopy(FIDELITY)
    style = understand(graph).style
    graph = {**graph, style: loads(understand(graph), "x.safetensors")[style]}
    found = understand(graph)
    assert found.loads_style_file()
    capture = captures(found, "durian.png")
    node = capture[found.style]
    invert = next(fields for fields in graph.values() if fields["class_type"] == "DDIMInvert")["inputs"]
    assert node["class_type"] == "StyleKVCapture" and node["inputs"]["steps"] == invert["steps"]
    assert "residual_features" not in node["inputs"]
    loaders = [fields for fields in capture.values() if fields["class_type"] == "CellStyleLoadMicrograph"]
    assert [one["inputs"]["file"] for one in loaders] == ["durian.png"]
    with pytest.raises(WorkflowError, match="give a style file"):
        captures(understand(GRAPH), "durian.png")


def test_settings_of_the_scores_come_from_the_node():
    found = understand(FIDELITY)
    settings = scoring_settings(found)
    assert settings["least_iou"] == FIDELITY[found.fidelity]["inputs"]["least_iou"] and "content" not in settings
    graph = copy.deepcopy(FIDELITY)
    graph[found.fidelity]["inputs"]["least_area"] = ["2", 3]
    with pytest.raises(WorkflowError, match="least_area of CellStyleFidelity comes by a wire"):
        scoring_settings(understand(graph))
