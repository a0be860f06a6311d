"""A workflow in ComfyUI's API format: which of its nodes take the content, take the style and give the result."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import WorkflowError

Graph = dict[str, dict[str, Any]]

LOADERS = {"CellStyleLoadMicrograph": "file", "LoadImage": "image", "CellStyleLoadExample": "picture"}
"""Nodes that load a picture, and the input that names it."""
CONTENT_LOADERS = ("CellStyleLoadMicrograph", "LoadImage")
LOAD_STYLE, CAPTURE, INVERT = "CellStyleLoad", "StyleKVCapture", "DDIMInvert"
SAVE, FIDELITY = "SaveImage", "CellStyleFidelity"
_NAMES = {
    "CellStyleLoadMicrograph": "Load Micrograph",
    "LoadImage": "Load Image",
    "CellStyleLoad": "Load Style",
    "StyleKVCapture": "Style K/V Capture",
    "SaveImage": "Save Image",
    "CellStyleFidelity": "Cell Style Fidelity",
}


@dataclass(frozen=True)
class Workflow:
    """A graph in API format by node id, and the ids of the nodes that a batch changes."""

    graph: Graph
    content: str
    style: str | None
    result: str
    fidelity: str | None

    def loads_style_file(self) -> bool:
        """Whether the style's node is Load Style, not Style K/V Capture."""
        return self.style is not None and self.graph[self.style]["class_type"] == LOAD_STYLE


def read_graph(path: Path) -> Graph:
    """The graph in a file. Raises WorkflowError for what is not a graph in API format."""
    try:
        graph = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkflowError(f"The workflow {path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise WorkflowError(f"The workflow {path} is not JSON.") from None
    if isinstance(graph, dict) and "nodes" in graph and "links" in graph:
        raise WorkflowError(
            f"{path} is a workflow as the editor saves it. Export it in API format: in the editor's menu, "
            "Workflow, Export (API)."
        )
    if isinstance(graph, dict) and set(graph) & {"prompt", "client_id"} and isinstance(graph.get("prompt"), dict):
        graph = graph["prompt"]  # as it is sent to the server
    if not isinstance(graph, dict) or not graph or not all(map(_is_node, graph.values())):
        raise WorkflowError(f"{path} is not a workflow in ComfyUI's API format (node ids, each with its class_type).")
    return graph


def understand(
    graph: Graph,
    content_node: str | None = None,
    style_node: str | None = None,
    result_node: str | None = None,
    scored: bool = True,
) -> Workflow:
    """Finds the nodes of a batch by class, or by the id or title given for each.

    Raises: WorkflowError where there is none, or several of which none was named; it names them.
    """
    result = _choose(graph, (SAVE,), result_node, "--result-node")
    if result is None:
        raise WorkflowError("The workflow saves no picture: give it a Save Image node.")
    needed = upstream(graph, [result])
    style = _choose(graph, (LOAD_STYLE, CAPTURE), style_node, "--style-node", within=needed, several_are_fixed=True)
    loaders = [node for node in needed if graph[node]["class_type"] in CONTENT_LOADERS]
    of_style = upstream(graph, [style]) if style else set()
    content = None
    for within in (needed - of_style, needed):
        for name in CONTENT_LOADERS:
            content = content or _choose(graph, (name,), content_node, "--content-node", within=within)
        if content or not loaders:
            break
    if content is None:
        raise WorkflowError(
            "The workflow has no Load Micrograph (or Load Image) that leads to its result: put one where the content "
            "comes from, and export it again."
        )
    fidelity = None
    if scored:
        reachable = [node for node in nodes_of(graph, FIDELITY) if content in upstream(graph, [node])]
        fidelity = _choose(graph, (FIDELITY,), None, "", within=set(reachable))
    return Workflow(graph, content, style, result, fidelity)


def nodes_of(graph: Graph, *classes: str) -> list[str]:
    """Ids of the nodes of these classes."""
    return [node for node, fields in graph.items() if fields["class_type"] in classes]


def links(node: dict[str, Any]) -> list[str]:
    """Ids of the nodes that a node's inputs come from."""
    return [value[0] for value in node["inputs"].values() if is_link(value)]


def is_link(value: object) -> bool:
    """Whether an input's value is another node's output: [id, number]."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def upstream(graph: Graph, nodes: Iterable[str]) -> set[str]:
    """These nodes and all that they need."""
    found, waiting = set(), list(nodes)
    while waiting:
        node = waiting.pop()
        if node in graph and node not in found:
            found.add(node)
            waiting += links(graph[node])
    return found


def downstream(graph: Graph, node: str) -> set[str]:
    """This node and all that need it."""
    return {other for other in graph if node in upstream(graph, [other])}


def nearest(graph: Graph, node: str, classes: Iterable[str]) -> str | None:
    """The nearest node of one of these classes that leads to `node`."""
    waiting, seen = [node], set()
    while waiting:
        current = waiting.pop(0)
        if current != node and graph[current]["class_type"] in classes:
            return current
        seen.add(current)
        waiting += [other for other in links(graph[current]) if other in graph and other not in seen]
    return None


def copy_of(graph: Graph, nodes: Iterable[str]) -> Graph:
    """A deep copy of some of a graph's nodes, in their order."""
    wanted = set(nodes)
    return {node: copy.deepcopy(fields) for node, fields in graph.items() if node in wanted}


def label(graph: Graph, node: str) -> str:
    """A node as an error names it: its id and title."""
    title = (graph[node].get("_meta") or {}).get("title") or graph[node]["class_type"]
    return f"{node} ({title})"


def _is_node(node: object) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)


def _choose(
    graph: Graph,
    classes: tuple[str, ...],
    wanted: str | None,
    option: str,
    within: set[str] | None = None,
    several_are_fixed: bool = False,
) -> str | None:
    """The one node of these classes; the one that `wanted` names by id or title; None where there is none.

    several_are_fixed: several that nobody chose from are left as they are, as in a graph that blends styles.
    """
    found = [node for node in nodes_of(graph, *classes) if within is None or node in within]
    what = " or ".join(_NAMES[name] for name in classes)
    if wanted is not None:
        named = [node for node in graph if wanted in (node, (graph[node].get("_meta") or {}).get("title"))]
        if len(named) != 1:
            listed = ", ".join(label(graph, node) for node in found) or "none"
            count = "no node" if not named else f"{len(named)} nodes"
            raise WorkflowError(f"{option} {wanted} names {count}. The workflow's {what}: {listed}.")
        if classes != (SAVE,) and named[0] not in found:  # any node may save
            return None
        return named[0]
    if len(found) > 1 and several_are_fixed:
        return None
    if len(found) > 1:
        listed = ", ".join(label(graph, node) for node in found)
        advice = f"say which by its id or title: {option} {found[0]}" if option else "leave one, or give --scores none"
        raise WorkflowError(f"The workflow has {len(found)} {what} nodes: {listed}; {advice}.")
    return found[0] if found else None
