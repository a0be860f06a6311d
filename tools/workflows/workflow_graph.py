"""A workflow described once, written as the front end's JSON (version 0.4) and as an API prompt."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from layout import Frame, arrange
from node_type import OPTIONAL_SHAPE, NodeType
from notes import note_sizes
from workflow_nodes import ROOT, node_type

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

    def sizes(self) -> list[tuple[int, int]]:
        """The sizes that it may have on the canvas: several for a note, which is as high as its width makes it."""
        return note_sizes(self.values["text"]) if self.name == "MarkdownNote" else [self.size]

    def __getitem__(self, output: str | int) -> Output:
        """The output of that name, or that number."""
        names = [name for name, _ in self.type.outputs]
        return Output(self, output if isinstance(output, int) else names.index(output))


@dataclass
class Group:
    """A titled frame (no frame without a title) around nodes."""

    title: str
    nodes: list[Node]
    colour: str
    bounding: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass
class Graph:
    """Nodes are added by `add`, placed by `place`; `ui` and `api` write it down."""

    name: str
    nodes: list[Node] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

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
        set_here = {name: value for name, value in inputs.items() if name not in wires}
        values = {each.name: set_here.get(each.name, each.default) for each in kind.widgets}
        node = Node(len(self.nodes) + 1, class_name, title, kind, values, wires, models or [], canvas or kind.area())
        self.nodes.append(node)
        return node

    def column(self, *groups: tuple[str, str, list[list[Node]]]) -> None:
        """Groups, in the order in which they are read: (title, colour, nodes in lists) each.

        The lists say what stands before what; how they become columns is the layout's choice.
        """
        for title, colour, lists in groups:
            self.groups.append(Group(title, [node for nodes in lists for node in nodes], colour))

    def place(self) -> None:
        """Give every group its frame and every node its place and, if it is a note, its size: nothing overlaps.

        Raises: ValueError when a node is in no group, or in two, and when no window holds a group.
        """
        placed = [node.id for group in self.groups for node in group.nodes]
        if sorted(placed) != [node.id for node in self.nodes]:
            raise ValueError(f"{self.name}: every node has to be in one group; placed are {sorted(placed)}.")
        frames = [Frame(sorted(group.nodes, key=self._depth), bool(group.title), Node.sizes) for group in self.groups]
        arrange(frames)
        for group, frame in zip(self.groups, frames, strict=True):
            group.bounding = (*frame.corner, frame.shape.width, frame.shape.height)
            for node, position, size in frame.positions():
                node.position, node.size = position, size

    def _depth(self, node: Node) -> int:
        """How many wires the longest way to a node has."""
        known: dict[int, int] = {}

        def depth(each: Node) -> int:
            if each.id not in known:
                known[each.id] = max((depth(wire.node) + 1 for wire in each.wires.values()), default=0)
            return known[each.id]

        return depth(node)

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
        groups = [group for group in self.groups if group.title]
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
            for socket in node.type.slots:  # a widget can be wired, too
                if wire := node.wires.get(socket.name):
                    inputs[socket.name] = [str(wire.node.id), wire.slot]
            prompt[str(node.id)] = {"inputs": inputs, "class_type": node.name, "_meta": {"title": node.title}}
        return prompt


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
        "size": [node.size[0], node.type.opens or node.size[1]],
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
