"""Run a workflow on another model than the one it names: a small one in place of a download."""

from __future__ import annotations

import copy
from typing import Any

DEMO_LOADER = "CellStyleLoadDemoModel"
# which output of MODEL, CONDITIONING, VAE stands for which output of the nodes that load a model
LOADERS = {
    "CheckpointLoaderSimple": {0: 0, 2: 2},
    "LoraLoader": {0: 0},
    "UNETLoader": {0: 0},
    "CLIPLoader": {},
    "VAELoader": {0: 2},
    "CLIPTextEncode": {0: 1},
    DEMO_LOADER: {0: 0, 1: 1, 2: 2},
}

Graph = dict[str, dict[str, Any]]


def nodes_of(graph: Graph, class_type: str) -> list[str]:
    """Ids of the nodes of a class."""
    return [node_id for node_id, node in graph.items() if node["class_type"] == class_type]


def with_model(graph: Graph, class_type: str, **inputs: Any) -> Graph:
    """A copy in which one node, with the outputs MODEL, CONDITIONING and VAE, stands for loaders and their prompts."""
    graph = copy.deepcopy(graph)
    slots = {node_id: LOADERS[node["class_type"]] for node_id, node in graph.items() if node["class_type"] in LOADERS}
    for node_id in slots:
        del graph[node_id]
    for node in graph.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] in slots:
                node["inputs"][name] = ["model", slots[value[0]][value[1]]]
    graph["model"] = {"class_type": class_type, "inputs": inputs}
    return graph


def without_helpers(graph: Graph) -> Graph:
    """A copy without upscaling model and ControlNet: what goes in comes out unchanged."""
    graph = copy.deepcopy(graph)
    for kind, kept in (("ImageUpscaleWithModel", ["image"]), ("ControlNetApplyAdvanced", ["positive", "negative"])):
        for helper in nodes_of(graph, kind):
            passed = [graph[helper]["inputs"][name] for name in kept]
            del graph[helper]
            for node in graph.values():
                for name, value in node["inputs"].items():
                    if isinstance(value, list) and value[0] == helper:
                        node["inputs"][name] = passed[value[1]]
    for kind in ("UpscaleModelLoader", "ControlNetLoader"):
        for loader in nodes_of(graph, kind):
            del graph[loader]
    return graph


def shortened(graph: Graph, **values: Any) -> Graph:
    """A copy with inputs of these names set on every node that has them: steps=3, width=64."""
    graph = copy.deepcopy(graph)
    for node in graph.values():
        for name, value in values.items():
            if name in node["inputs"] and not isinstance(node["inputs"][name], list):
                node["inputs"][name] = value
    return graph
