"""The demo's workflow in API format: read it, and set pictures, dials and model in a copy."""

import copy
import json
from pathlib import Path
from typing import Any

from host_layout import ROOT, HostError

WORKFLOW = ROOT / "workflows" / "api" / "cell_style_demo.json"
DEMO_MODEL = ROOT / "demo_model" / "cellstyle_demo.safetensors"
DEMO_LOADER, RANDOM_LOADER = "CellStyleLoadDemoModel", "CellStyleTestTinyModel"
EXAMPLE_LOADER = "CellStyleLoadExample"

Graph = dict[str, dict[str, Any]]


def read_workflow(path: Path = WORKFLOW) -> Graph:
    """The graph by node id; HostError when the file is not there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HostError(f"The workflow {path} is missing.") from None


def nodes_of(graph: Graph, class_type: str) -> list[str]:
    """Ids of the nodes of a class."""
    return [node_id for node_id, node in graph.items() if node["class_type"] == class_type]


def upstream(graph: Graph, node_id: str, class_type: str) -> str:
    """The nearest node of `class_type` whose output reaches `node_id`; HostError when there is none."""
    waiting, seen = [node_id], set()
    while waiting:
        current = waiting.pop(0)
        if graph[current]["class_type"] == class_type:
            return current
        seen.add(current)
        links = [value[0] for value in graph[current]["inputs"].values() if isinstance(value, list) and len(value) == 2]
        waiting += [link for link in links if link in graph and link not in seen]
    raise HostError(f"No {class_type} leads to {graph[node_id]['class_type']} (node {node_id}) in the workflow.")


def filled(graph: Graph, content: str, style: str, *, random_model: bool = False, **dials: float) -> Graph:
    """A copy that loads two pictures of the input folder, with each input named in `dials` (gamma, tau, steps) set."""
    graph = copy.deepcopy(graph)
    for branch, name in (("DDIMInvert", content), ("StyleKVCapture", style)):
        for node_id in nodes_of(graph, branch):
            graph[upstream(graph, node_id, EXAMPLE_LOADER)] |= {"class_type": "LoadImage", "inputs": {"image": name}}
    for node in graph.values():
        for dial, value in dials.items():
            if dial in node["inputs"] and not isinstance(node["inputs"][dial], list):
                node["inputs"][dial] = value
        if random_model and node["class_type"] == DEMO_LOADER:
            node["class_type"], node["inputs"] = RANDOM_LOADER, {"kind": "sd15", "seed": 0}
    return graph


def dial(graph: Graph, class_type: str, name: str) -> Any:
    """The value of an input of the first node of a class."""
    return graph[nodes_of(graph, class_type)[0]]["inputs"].get(name)
