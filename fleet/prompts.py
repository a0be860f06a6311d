"""Prompts made from a workflow: the content in its place, every style a branch, and what is to be scored saved."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import WorkflowError
from .workflow import (
    CAPTURE,
    FIDELITY,
    INVERT,
    LOAD_STYLE,
    LOADERS,
    SAVE,
    Graph,
    Workflow,
    copy_of,
    downstream,
    is_link,
    nearest,
    upstream,
)

PLAIN = ""
"""The branch of a workflow whose style stays as it is."""
SCORED = ("content", "result", "style", "mask")


@dataclass
class Prompt:
    """A prompt, and where its answers are: node ids by branch, and for the scores by branch and input of Fidelity."""

    graph: Graph
    results: dict[str, str] = field(default_factory=dict)
    scored: dict[str, dict[str, str]] = field(default_factory=dict)

    def saved(self) -> list[str]:
        """Ids of all nodes that save a picture."""
        return [*self.results.values(), *(node for nodes in self.scored.values() for node in nodes.values())]


def prompt_for(
    workflow: Workflow, content: str, styles: Mapping[str, Mapping[str, Any]], prefix: str, scored: bool = False
) -> Prompt:
    """One picture in every style; what needs no style is in the prompt once, so the content is inverted once.

    Args:
        content: the file's name as the loader takes it.
        styles: for each branch the nodes that are other than the workflow's, see `loads` and `captures`.
        prefix: of the files that the server saves. No two prompts may have the same: a server that finds a result in
            its cache names the file of then, which may have been fetched and removed.
    """
    graph = copy_of(workflow.graph, workflow.graph)
    set_picture(graph, workflow.content, content)
    scored = scored and workflow.fidelity is not None
    prompt = Prompt({})
    for branch, change in styles.items():
        number = len(prompt.results)
        one = {**graph, **copy.deepcopy(dict(change))}
        result, sources = workflow.result, _scored_sources(one, workflow.fidelity) if scored else {}
        needed = upstream(one, [result, *(link[0] for link in sources.values())])
        own = {node for new in change for node in downstream(one, new) if one[new] != graph.get(new)}
        names = {node: f"{node}-{number + 1}" for node in needed & own} if len(styles) > 1 else {}
        for node in needed:
            fields = one[node] if node not in names else _renamed(one[node], names)
            prompt.graph.setdefault(names.get(node, node), fields)
        prompt.results[branch] = names.get(result, result)
        prompt.scored[branch] = {}
        for what, link in sources.items():
            source = [names.get(link[0], link[0]), link[1]]
            prompt.scored[branch][what] = _saver(prompt.graph, f"score-{number + 1}-{what}", source, what == "mask")
    for node in prompt.saved():
        inputs = prompt.graph[node]["inputs"]
        if prompt.graph[node]["class_type"] == SAVE or "filename_prefix" in inputs:
            inputs["filename_prefix"] = prefix
    return prompt


def loads(workflow: Workflow, file: str) -> dict[str, Any]:
    """The style's node as a Load Style of `file`; a Style K/V Capture gives the same two outputs."""
    node = copy.deepcopy(workflow.graph[workflow.style])
    if node["class_type"] == CAPTURE:
        kept = {
            name: node["inputs"][name] for name in ("model", "storage", "feature_precision") if name in node["inputs"]
        }
        node = {**node, "class_type": LOAD_STYLE, "inputs": {"storage": "auto", "feature_precision": "full", **kept}}
    node["inputs"].pop("file_name", None)
    node["inputs"]["file"] = file
    return {workflow.style: node}


def captures(workflow: Workflow, picture: str) -> Graph:
    """The nodes that capture the picture of that name in the style node's place, and all that they need.

    A Style K/V Capture keeps its settings and gets the picture. Where the workflow has Load Style, the picture goes the
    way of the content to DDIM Invert, with a Style K/V Capture in its place.
    Raises: WorkflowError where there is neither.
    """
    graph, style = workflow.graph, workflow.style
    if not workflow.loads_style_file():
        found = copy_of(graph, upstream(graph, [style]))
        loader = nearest(graph, style, LOADERS)
        if loader is None:
            raise WorkflowError("No picture loader leads to the workflow's Style K/V Capture: give a style file.")
        found[loader] = {"class_type": "LoadImage", "inputs": {"image": ""}}
        set_picture(found, loader, picture)
        return found
    invert = next((node for node in upstream(graph, [workflow.result]) if graph[node]["class_type"] == INVERT), None)
    if invert is None or workflow.content not in upstream(graph, [invert]):
        raise WorkflowError(
            "The workflow has no DDIM Invert, whose settings a style picture would be captured with: give a style file."
        )
    found = {f"style-{node}": fields for node, fields in copy_of(graph, upstream(graph, [invert])).items()}
    for fields in found.values():
        fields["inputs"] = {
            name: [f"style-{value[0]}", value[1]] if is_link(value) else value
            for name, value in fields["inputs"].items()
        }
    loader = found[f"style-{workflow.content}"]
    neutral = {"channels": "auto", "contrast": "auto", "pseudo_colour": "auto", "invert": False, "series": 1}
    loader["inputs"] |= {name: value for name, value in neutral.items() if name in loader["inputs"]}
    set_picture(found, f"style-{workflow.content}", picture)
    capture = found.pop(f"style-{invert}")
    capture["class_type"] = CAPTURE
    capture["inputs"].pop("residual_features", None)  # of the content alone
    return {**found, style: capture}


def capture_prompt(workflow: Workflow, picture: str, name: str, title: str) -> tuple[Graph, str]:
    """A prompt that captures a style picture and saves it as the style file `name`; and the id of Save Style."""
    graph = captures(workflow, picture)
    loader = nearest(graph, workflow.style, LOADERS)
    graph["save-style"] = {
        "class_type": "CellStyleSave",
        "inputs": {
            "style_kv": [workflow.style, 0],
            "inverted": [workflow.style, 1],
            "image": [loader, 0],
            **{"name": name, "format": "compact", "precision": "fp32", "overwrite": True, "title": title},
        },
    }
    return graph, "save-style"


def set_picture(graph: Graph, node: str, name: str) -> None:
    """Puts a file's name into a picture loader."""
    inputs = graph[node]["inputs"]
    inputs[LOADERS[graph[node]["class_type"]]] = name
    if "example" in inputs:
        inputs["example"] = "none"


def _scored_sources(graph: Graph, fidelity: str) -> dict[str, list]:
    inputs = graph[fidelity]["inputs"]
    return {what: inputs[what] for what in SCORED if is_link(inputs.get(what))}


def scoring_settings(workflow: Workflow) -> dict[str, Any]:
    """Fidelity's other inputs. Raises WorkflowError where one comes by a wire."""
    if workflow.fidelity is None:
        return {}
    inputs = {k: v for k, v in workflow.graph[workflow.fidelity]["inputs"].items() if k not in SCORED}
    wired = [name for name, value in inputs.items() if is_link(value)]
    if wired:
        raise WorkflowError(f"{wired[0]} of {FIDELITY} comes by a wire: set it in the node, or give --scores none.")
    return inputs


def _saver(graph: Graph, name: str, source: list, is_mask: bool) -> str:
    if is_mask:
        graph[f"{name}-image"] = {"class_type": "MaskToImage", "inputs": {"mask": source}}
        source = [f"{name}-image", 0]
    graph[name] = {"class_type": SAVE, "inputs": {"images": source, "filename_prefix": ""}}
    return name


def _renamed(fields: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    inputs = {
        name: [names.get(value[0], value[0]), value[1]] if is_link(value) else value
        for name, value in fields["inputs"].items()
    }
    return {**fields, "inputs": inputs}
