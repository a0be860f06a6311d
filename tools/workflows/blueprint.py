"""A graph written as a subgraph blueprint: one node that holds the others, with sockets and dials of its own."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from layout import GAP
from node_type import MARGIN, SLOT, WIDGET, WIDTH, NodeType
from workflow_graph import VERSIONS, Graph, Node, Output

ENTRANCE, EXIT = -10, -20  # the ids that the front end gives to the two ends of a subgraph
SIDE = 120  # width of an end on the canvas


@dataclass
class Blueprint:
    """The inside is `graph`; `entrance` is where its nodes' wires start, `exits` are its named outputs.

    dials: widgets of inner nodes that are shown outside, by name: one widget each, which may set several nodes.
    """

    graph: Graph
    description: str
    aliases: list[str]
    entrance: Node = field(init=False)
    dials: dict[str, list[tuple[Node, str]]] = field(default_factory=dict)
    exits: list[tuple[str, Output]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.entrance = Node(ENTRANCE, "", None, NodeType(), {}, {}, [], (SIDE, 0))

    def socket(self, name: str, kind: str) -> Output:
        """An input of the blueprint, to be wired inside."""
        outputs = self.entrance.type.outputs
        self.entrance.type = replace(self.entrance.type, outputs=(*outputs, (name, kind)))
        return Output(self.entrance, len(outputs))

    def promote(self, name: str, *widgets: tuple[Node, str]) -> None:
        """Show a widget outside under this name; it sets every (node, widget) named, from the first one's value."""
        node, widget = widgets[0]
        (kind,) = (each.type for each in node.type.widgets if each.name == widget)
        start = self.socket(name, kind)
        for inner, inner_widget in widgets:
            inner.wires[inner_widget] = start
        self.dials[name] = list(widgets)

    def ui(self) -> dict[str, Any]:
        """The blueprint's file: a graph of one node, and in its definitions what that node holds."""
        graph = self.graph
        graph.place()
        links = graph.links()
        for slot, (_, end) in enumerate(self.exits):
            kind = end.node.type.outputs[end.slot][1]
            links.append([len(links) + 1, end.node.id, end.slot, EXIT, slot, kind])
        kinds = [(name, end.node.type.outputs[end.slot][1]) for name, end in self.exits]
        right = max(node.position[0] + node.size[0] for node in graph.nodes) + 2 * GAP
        inner = {
            "id": self._id("inside"),
            "version": 1,
            "state": {
                "lastGroupId": len(graph.ui_groups()),
                "lastNodeId": len(graph.nodes),
                "lastLinkId": len(links),
                "lastRerouteId": 0,
            },
            "revision": 0,
            "config": {},
            "name": graph.name,
            "inputNode": _end(ENTRANCE, -SIDE - 2 * GAP, self.entrance.type.outputs),
            "outputNode": _end(EXIT, right, kinds),
            "inputs": self._ports(self.entrance.type.outputs, -2 * GAP - SLOT, links, 1, ENTRANCE),
            "outputs": self._ports(kinds, right + SLOT, links, 3, EXIT),
            "widgets": [],
            "nodes": graph.ui_nodes(links),
            "groups": graph.ui_groups(),
            "links": [
                dict(zip(("id", "origin_id", "origin_slot", "target_id", "target_slot", "type"), link, strict=True))
                for link in links
            ],
            "extra": {},
            "category": "CellStyle",
            "description": self.description,
        }
        return {
            "revision": 0,
            "last_node_id": len(graph.nodes) + 1,
            "last_link_id": 0,
            "nodes": [self._outside(kinds)],
            "links": [],
            "version": 0.4,
            "definitions": {"subgraphs": [inner]},
            "extra": {"BlueprintDescription": self.description, "BlueprintSearchAliases": self.aliases},
        }

    def _outside(self, kinds: list[tuple[str, str]]) -> dict[str, Any]:
        inputs = []
        for name, kind in self.entrance.type.outputs:
            widget = {"widget": {"name": name}} if name in self.dials else {}
            inputs.append({"name": name, "type": kind, **widget, "link": None})
        height = MARGIN + (len(inputs) - len(self.dials)) * SLOT + len(self.dials) * WIDGET
        return {
            "id": len(self.graph.nodes) + 1,
            "type": self._id("inside"),
            "pos": [0, 0],
            "size": [WIDTH, height],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": inputs,
            "outputs": [{"name": name, "type": kind, "links": []} for name, kind in kinds],
            "title": self.graph.name,
            "properties": {
                "proxyWidgets": [[str(node.id), widget] for (node, widget), *_ in self.dials.values()],
                "cnr_id": "cellstyle",
                "ver": VERSIONS["cellstyle"],
            },
            "widgets_values": [],
        }

    def _id(self, part: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"cellstyle/subgraphs/{self.graph.name}/{part}"))

    def _ports(self, names: Any, x: int, links: list[list[Any]], at: int, end: int) -> list[dict[str, Any]]:
        """The named slots of an end; at: where in a link its id and slot stand."""
        return [
            {
                "id": self._id(f"{end}/{name}"),
                "name": name,
                "type": kind,
                "linkIds": [link[0] for link in links if link[at : at + 2] == [end, slot]],
                "pos": [x, SLOT * (slot + 1)],
            }
            for slot, (name, kind) in enumerate(names)
        ]


def _end(number: int, x: int, names: Any) -> dict[str, Any]:
    return {"id": number, "bounding": [x, 0, SIDE, SLOT * (len(names) + 2)]}
