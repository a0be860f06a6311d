"""What the builder knows of each node class: its inputs in order, its outputs, its size on the canvas.

The pack's own nodes are read from tests/golden/schema.json, which a test keeps true; ComfyUI's are written down here,
and the browser test finds out when they change.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "schema.json"
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
OPTIONAL_SHAPE = 7  # how the front end draws a socket that may stay empty
SLOT, WIDGET, MARGIN, WIDTH = 20, 24, 14, 300
PREVIEW = 240  # the live preview that a node shows below its widgets, and keeps
PREVIEWING = {"DDIMInvert", "StyleKVCapture", "InjectedSampler"}


@dataclass(frozen=True)
class Input:
    """An input: a socket, or a widget when `type` is one of WIDGET_TYPES.

    extra: what the front end's own widgets add to the saved values after it (the upload button of Load Image).
    """

    name: str
    type: str
    default: Any = None
    optional: bool = False
    extra: tuple[tuple[str, str, Any], ...] = ()

    @property
    def is_widget(self) -> bool:
        """Whether it is set on the node rather than wired."""
        return self.type in WIDGET_TYPES


@dataclass(frozen=True)
class NodeType:
    """A node class.

    size: canvas size in pixels without the title bar, computed from the slots when not given. preview: room for one.
    """

    inputs: tuple[Input, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    pack: str = "comfy-core"
    size: tuple[int, int] | None = None
    preview: bool = False
    colours: dict[str, str] = field(default_factory=dict)

    @property
    def sockets(self) -> list[Input]:
        """The wired inputs, in the order of their slots: the front end puts all of them before the widgets."""
        return [each for each in self.inputs if not each.is_widget]

    @property
    def widgets(self) -> list[Input]:
        """The inputs set on the node, in the order of widgets_values."""
        return [each for each in self.inputs if each.is_widget]

    def area(self) -> tuple[int, int]:
        """Width and height on the canvas."""
        if self.size:
            return self.size
        slots = max(len(self.sockets), len(self.outputs)) * SLOT + len(self.widgets) * WIDGET
        return WIDTH, slots + MARGIN + PREVIEW * self.preview


UPLOAD = (("upload", "IMAGEUPLOAD", "image"),)
IMAGE_OUT, LATENT_OUT = (("IMAGE", "IMAGE"),), (("LATENT", "LATENT"),)
CORE = {
    "CellStyleLoadDemoModel": NodeType(
        (), (("model", "MODEL"), ("conditioning", "CONDITIONING"), ("vae", "VAE")), "cellstyle"
    ),
    "CheckpointLoaderSimple": NodeType(
        (Input("ckpt_name", "COMBO"),), (("MODEL", "MODEL"), ("CLIP", "CLIP"), ("VAE", "VAE")), size=(WIDTH, 98)
    ),
    "CLIPTextEncode": NodeType(
        (Input("text", "STRING", ""), Input("clip", "CLIP")), (("CONDITIONING", "CONDITIONING"),), size=(WIDTH, 110)
    ),
    "LoadImage": NodeType((Input("image", "COMBO", extra=UPLOAD),), (*IMAGE_OUT, ("MASK", "MASK")), size=(WIDTH, 340)),
    "ImageScale": NodeType(
        (
            Input("image", "IMAGE"),
            Input("upscale_method", "COMBO", "lanczos"),
            Input("width", "INT", 512),
            Input("height", "INT", 512),
            Input("crop", "COMBO", "disabled"),
        ),
        IMAGE_OUT,
    ),
    "VAEEncode": NodeType((Input("pixels", "IMAGE"), Input("vae", "VAE")), LATENT_OUT),
    "VAEDecode": NodeType((Input("samples", "LATENT"), Input("vae", "VAE")), IMAGE_OUT),
    "SaveImage": NodeType(
        (Input("images", "IMAGE"), Input("filename_prefix", "STRING", "ComfyUI")),
        (("images", "IMAGE"),),
        size=(420, 480),
    ),
    "PreviewImage": NodeType((Input("images", "IMAGE"),), (("images", "IMAGE"),), size=(420, 260)),
    "MarkdownNote": NodeType(
        (Input("text", "STRING", ""),), size=(WIDTH, 250), colours={"color": "#222", "bgcolor": "#000"}
    ),
}


@functools.cache
def _own() -> dict[str, NodeType]:
    return {name: _read(name, entry) for name, entry in json.loads(GOLDEN.read_text(encoding="utf-8")).items()}


def _read(name: str, entry: dict[str, Any]) -> NodeType:
    inputs = tuple(
        Input(each["name"], each["type"], _default(each), each["group"] == "optional") for each in entry["inputs"]
    )
    outputs = tuple((each["name"], each["type"]) for each in entry["outputs"])
    return NodeType(inputs, outputs, "cellstyle", preview=name in PREVIEWING)


def _default(entry: dict[str, Any]) -> Any:
    return entry.get("default", (entry.get("options") or [None])[0])


def node_type(name: str) -> NodeType:
    """The class `name`; ValueError when neither the pack nor the table of ComfyUI's nodes has it."""
    found = _own().get(name) or CORE.get(name)
    if found is None:
        raise ValueError(
            f"{name} is neither in {GOLDEN.relative_to(ROOT)} nor in the table of {Path(__file__).name}; add it there."
        )
    return found
