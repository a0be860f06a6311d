"""A node class as the builder sees it: inputs in order, outputs, and the room that it takes on the canvas."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}
OPTIONAL_SHAPE = 7  # how the front end draws a socket that may stay empty
AUTOGROW, MOST_GROWN = "COMFY_AUTOGROW_V3", 8
# growing inputs: type, name and first number of their sockets
GROWING = {
    "styles": ("STYLE_KV", "style_{}", 1),
    "masks": ("MASK", "mask_{}", 1),
    "source_masks": ("MASK", "source_mask_{}", 1),
    "images": ("IMAGE", "image{}", 0),
}
# heights that do in both ways in which the front end draws nodes: the classic one, and Nodes 2.0
SLOT, WIDGET, MARGIN, WIDTH = 20, 28, 14, 300
BADGE = 24  # what Nodes 2.0 has below the nodes of a pack
CLASSIC_WIDGET = 24  # counts where Nodes 2.0 folds most inputs away as advanced
PREVIEW = 246  # a picture below the widgets: the live preview, which stays, or what the node shows


@dataclass(frozen=True)
class Input:
    """An input: a socket, or a widget when `type` is one of WIDGET_TYPES and it is not `forced` to be a socket.

    control: a seed's "control after generate", which has a saved value and no slot. label: a growing socket's caption.
    """

    name: str
    type: str
    default: Any = None
    optional: bool = False
    control: str = ""
    label: str = ""
    forced: bool = False

    @property
    def is_widget(self) -> bool:
        """Whether it is set on the node rather than wired."""
        return self.type in WIDGET_TYPES and not self.forced


@dataclass(frozen=True)
class NodeType:
    """A node class.

    size: canvas size in pixels without the title bar, computed from the slots when not given. preview: room for one.
    upload: the front end adds its upload button, which has a slot and a saved value of its own, after the widgets.
    folds: Nodes 2.0 hides most of its inputs until they are asked for.
    opens: its height before a run, where the front end gives it no more whatever is saved. Its place has
    room for all of `size`.
    """

    inputs: tuple[Input, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    pack: str = "comfy-core"
    size: tuple[int, int] | None = None
    preview: bool = False
    upload: bool = False
    folds: bool = False
    opens: int | None = None
    colours: dict[str, str] = field(default_factory=dict)

    @property
    def sockets(self) -> list[Input]:
        """The wired inputs, in the order of their slots: the front end puts all of them before the widgets."""
        return [each for each in self.inputs if not each.is_widget]

    @property
    def widgets(self) -> list[Input]:
        """The inputs set on the node, in the order of widgets_values."""
        return [each for each in self.inputs if each.is_widget]

    @property
    def slots(self) -> list[Input]:
        """All inputs in the order of their slots; a widget can be wired, too."""
        return [*self.sockets, *self.widgets]

    def grown(self, counts: dict[str, int]) -> NodeType:
        """With the sockets of its growing inputs, when that many are connected: one more than that is shown."""
        inputs: list[Input] = []
        for each in self.inputs:
            if each.type != AUTOGROW:
                inputs.append(each)
                continue
            least = 0 if each.optional else 1
            shown = max(counts.get(each.name, 0), least) + 1
            for number, name in enumerate(self.grown_names(each.name)[:shown]):
                optional, label = number >= least, name.split(".")[1]
                inputs.append(Input(name, GROWING[each.name][0], optional=optional, label=label))
        return dataclasses.replace(self, inputs=tuple(inputs))

    @staticmethod
    def grown_names(name: str) -> list[str]:
        """What the sockets of a growing input are called."""
        _, pattern, first = GROWING[name]
        return [f"{name}.{pattern.format(number)}" for number in range(first, first + MOST_GROWN)]

    def area(self) -> tuple[int, int]:
        """Width and height on the canvas."""
        if self.size:
            return self.size
        slots = max(len(self.sockets), len(self.outputs)) * SLOT + MARGIN + PREVIEW * self.preview
        if self.folds:
            return WIDTH, slots + (len(self.widgets) + self.upload) * CLASSIC_WIDGET
        return WIDTH, slots + (len(self.widgets) + self.upload) * WIDGET + BADGE * (self.pack == "cellstyle")
