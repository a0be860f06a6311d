"""A workflow described once, written as the front end's JSON (version 0.4) and as an API prompt."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from workflow_nodes import OPTIONAL_SHAPE, ROOT, NodeType, node_type

TITLE, GAP, PADDING, GROUP_TITLE = 30, 34, 20, 44
_PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
# the pack's own version, and the oldest ComfyUI it runs on
VERSIONS = {
    "cellstyle": re.search(r'^version = "(.+)"', _PROJECT, re.M)[1],
    "comfy-core": re.search(r'^requires-comfyui = ">=(.+)"', _PROJECT, re.M)[1],
}


@dataclass(frozen=True)
class Output:
    """An output of a node: what a wire starts from."""

    node: Node
    slot: int


@dataclass
class Node:
    """A node of a graph. values: its widgets, by name. wires: its connected sockets, by name."""

    id: int
    name: str
    title: str | None
    type: NodeType
    values: dict[str, Any]
    wires: dict[str, Output]
    models: list[dict[str, str]]
    size: tuple[int, int]
    position: tuple[int, int] = (0, 0)

    def __getitem__(self, output: str | int) -> Output:
        """The output of that name, or that number."""
        names = [name for name, _ in self.type.outputs]
        return Output(self, output if isinstance(output, int) else names.index(output))


@dataclass
class Group:
    """A titled frame (no frame without a title) around columns of nodes."""

    title: str
    columns: list[list[Node]]
    colour: str
    bounding: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass
class Graph:
    """Nodes are added by `add`, placed by `place`; `ui` and `api` write it down."""

    name: str
    nodes: list[Node] = field(default_factory=list)
    blocks: list[list[Group]] = field(default_factory=list)

    def add(
        self,
        class_name: str,
        title: str | None = None,
        /,
        *,
        models: list[dict[str, str]] | None = None,
        canvas: tuple[int, int] | None = None,
        **inputs: Any,
    ) -> Node:
        """A node with its inputs: an `Output` for a wire (a list of them for a growing input), else a widget's value.

        models: what its files are and where they can be had. canvas: its size, when the usual one does not do.

        Raises: ValueError for an input the class has not, and for a required socket left open.
        """
        kind = node_type(class_name).grown({k: len(v) for k, v in inputs.items() if isinstance(v, list)})
        for name in [name for name, value in inputs.items() if isinstance(value, list)]:
            inputs |= dict(zip(kind.grown_names(name), inputs.pop(name), strict=False))
        known = {each.name for each in kind.inputs}
        if unknown := set(inputs) - known:
            raise ValueError(f"{class_name} has no input {sorted(unknown)}; it has {sorted(known)}.")
        wires = {name: value for name, value in inputs.items() if isinstance(value, Output)}
        if missing := [each.name for each in kind.sockets if not each.optional and each.name not in wires]:
            raise ValueError(f"{class_name}: nothing is connected to {missing}.")
        values = {each.name: inputs.get(each.name, each.default) for each in kind.widgets}
        node = Node(len(self.nodes) + 1, class_name, title, kind, values, wires, models or [], canvas or kind.area())
        self.nodes.append(node)
        return node

    def column(self, *groups: tuple[str, str, list[list[Node]]]) -> None:
        """A column of groups, right of those before: (title, colour, columns of nodes) each, from top to bottom."""
        self.blocks.append([Group(title, columns, colour) for title, colour, columns in groups])

    def place(self) -> None:
        """Give every group its frame and every node its position, so that nothing overlaps."""
        x = 0
        for block in self.blocks:
            y, widest = 0, 0
            for group in block:
                width, height = _place_group(group, x, y)
                widest, y = max(widest, width), y + height + GAP
            x += widest + GAP
        placed = [node.id for block in self.blocks for group in block for column in group.columns for node in column]
        if sorted(placed) != [node.id for node in self.nodes]:
            raise ValueError(f"{self.name}: every node has to be in one group; placed are {sorted(placed)}.")

    def links(self) -> list[list[Any]]:
        """[id, from node, from slot, to node, to slot, type] of every wire, in the order of the nodes."""
        wired = [
            (node, slot, node.wires[socket.name])
            for node in self.nodes
            for slot, socket in enumerate(node.type.slots)
            if socket.name in node.wires
        ]
        return [
            [number, start.node.id, start.slot, node.id, slot, start.node.type.outputs[start.slot][1]]
            for number, (node, slot, start) in enumerate(wired, 1)
        ]

    def ui(self) -> dict[str, Any]:
        """The workflow as the front end saves it."""
        self.place()
        links = self.links()
        return {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"cellstyle/workflows/{self.name}")),
            "revision": 0,
            "last_node_id": len(self.nodes),
            "last_link_id": len(links),
            "nodes": self.ui_nodes(links),
            "links": links,
            "groups": self.ui_groups(),
            "config": {},
            "extra": {"ds": {"scale": 0.6, "offset": [100, 160]}},
            "version": 0.4,
        }

    def ui_nodes(self, links: list[list[Any]]) -> list[dict[str, Any]]:
        """The nodes as the front end saves them, wired by these links."""
        return [_ui_node(node, order, links) for order, node in enumerate(self.nodes)]

    def ui_groups(self) -> list[dict[str, Any]]:
        """The frames that have a title, as the front end saves them."""
        groups = [group for block in self.blocks for group in block if group.title]
        return [
            {
                "id": number,
                "title": group.title,
                "bounding": list(group.bounding),
                "color": group.colour,
                "font_size": 24,
                "flags": {},
            }
            for number, group in enumerate(groups, 1)
        ]

    def api(self) -> dict[str, Any]:
        """The workflow as the server takes it, by node id; notes have no part in it."""
        prompt = {}
        for node in self.nodes:
            if not node.type.outputs:
                continue
            inputs = dict(node.values)
            for socket in node.type.sockets:
                if wire := node.wires.get(socket.name):
                    inputs[socket.name] = [str(wire.node.id), wire.slot]
            prompt[str(node.id)] = {"inputs": inputs, "class_type": node.name, "_meta": {"title": node.title}}
        return prompt


def _place_group(group: Group, x: int, y: int) -> tuple[int, int]:
    """Positions inside a group whose frame starts at (x, y); returns the frame's width and height."""
    top = y + (GROUP_TITLE if group.title else 0)
    right, bottom = x + PADDING, top
    for column in group.columns:
        left, down = right, top
        for node in column:
            node.position = (left, down + TITLE)
            right = max(right, left + node.size[0])
            down += TITLE + node.size[1] + PADDING
        right, bottom = right + GAP, max(bottom, down)
    width, height = right - GAP + PADDING - x, bottom - y
    group.bounding = (x, y, width, height)
    return width, height


def _ui_node(node: Node, order: int, links: list[list[Any]]) -> dict[str, Any]:
    inputs, values = [], []
    for slot, part in enumerate(node.type.slots):
        entry = {"name": part.name, "type": part.type}
        if part.label:
            entry["label"] = part.label
        if part.is_widget:
            entry["widget"] = {"name": part.name}
            values += [node.values[part.name], *([part.control] if part.control else [])]
        elif part.optional:
            entry["shape"] = OPTIONAL_SHAPE
        entry["link"] = next((link[0] for link in links if link[3:5] == [node.id, slot]), None)
        inputs.append(entry)
    if node.type.upload:
        inputs.append({"name": "upload", "type": "IMAGEUPLOAD", "widget": {"name": "upload"}, "link": None})
        values.append("image")
    outputs = [
        {"name": name, "type": kind, "links": [link[0] for link in links if link[1:3] == [node.id, slot]]}
        for slot, (name, kind) in enumerate(node.type.outputs)
    ]
    is_note = not node.type.outputs
    properties: dict[str, Any] = {} if is_note else {"Node name for S&R": node.name}
    if not is_note:
        properties |= {"cnr_id": node.type.pack, "ver": VERSIONS[node.type.pack]}
    if node.models:
        properties["models"] = node.models
    return {
        "id": node.id,
        "type": node.name,
        "pos": list(node.position),
        "size": list(node.size),
        "flags": {},
        "order": order,
        "mode": 0,
        "inputs": [] if is_note else inputs,
        "outputs": outputs,
        **({"title": node.title} if node.title else {}),
        "properties": properties,
        "widgets_values": values,
        **node.type.colours,
    }
