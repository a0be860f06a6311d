"""What the builder knows of each node class: its inputs in order, its outputs, its size on the canvas.

The pack's own nodes are read from tests/golden/schema.json, which a test keeps true; ComfyUI's are written down here,
and the browser test finds out when they change.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "golden" / "schema.json"
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
OPTIONAL_SHAPE = 7  # how the front end draws a socket that may stay empty
AUTOGROW, MOST_GROWN = "COMFY_AUTOGROW_V3", 8
# growing inputs: type, name and first number of their sockets
GROWING = {
    "styles": ("STYLE_KV", "style_{}", 1),
    "masks": ("MASK", "mask_{}", 1),
    "source_masks": ("MASK", "source_mask_{}", 1),
    "images": ("IMAGE", "image{}", 0),
}
# text that only comes by a wire; the schema file does not say so
FORCED = {("CellStyleRestoreSize", "metadata"), ("CellStyleLoad", "file_name")}
# numbers with a "control after generate" below them, and what it is set to; nor does it say this
CONTROLLED = {("CellStyleLoadFolder", "first"): "fixed"}
# heights that do in both ways in which the front end draws nodes: the classic one, and Nodes 2.0
SLOT, WIDGET, MARGIN, WIDTH = 20, 28, 14, 300
BADGE = 24  # what Nodes 2.0 has below the nodes of a pack
CLASSIC_WIDGET = 24  # counts where Nodes 2.0 folds most inputs away as advanced
FOLDING = {"DDIMInvert", "StyleKVCapture", "LatentAdaIN", "InjectedSampler", "CellStyleApply", "CellStyleSweep"}
FOLDING |= {"CellStyleFidelity", "CellStyleLoadMicrograph"}
PREVIEW = 246  # a picture below the widgets: the live preview, which stays, or what the node shows
UPLOADING = {"CellStyleLoadMicrograph"}
PREVIEWING = {"DDIMInvert", "StyleKVCapture", "InjectedSampler", "CellStyleSweep"}
PREVIEWING |= {
    "CellStyleForeground",
    "CellStyleLoadExample",
    "CellStyleLoadMicrograph",
    "CellStyleTransfer",
    "CellStyleLoad",
    "CellStyleFidelity",
}


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
    """

    inputs: tuple[Input, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    pack: str = "comfy-core"
    size: tuple[int, int] | None = None
    preview: bool = False
    upload: bool = False
    folds: bool = False
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


IMAGE_OUT, LATENT_OUT, MASK_OUT = (("IMAGE", "IMAGE"),), (("LATENT", "LATENT"),), (("MASK", "MASK"),)
CORE = {
    "CheckpointLoaderSimple": NodeType(
        (Input("ckpt_name", "COMBO"),), (("MODEL", "MODEL"), ("CLIP", "CLIP"), ("VAE", "VAE")), size=(WIDTH, 98)
    ),
    "UNETLoader": NodeType(
        (Input("unet_name", "COMBO"), Input("weight_dtype", "COMBO", "default")), (("MODEL", "MODEL"),)
    ),
    "CLIPLoader": NodeType(
        (Input("clip_name", "COMBO"), Input("type", "COMBO"), Input("device", "COMBO", "default", optional=True)),
        (("CLIP", "CLIP"),),
    ),
    "VAELoader": NodeType((Input("vae_name", "COMBO"),), (("VAE", "VAE"),)),
    "CLIPTextEncode": NodeType(
        (Input("text", "STRING", ""), Input("clip", "CLIP")), (("CONDITIONING", "CONDITIONING"),), size=(WIDTH, 110)
    ),
    "LoadImage": NodeType((Input("image", "COMBO"),), (*IMAGE_OUT, ("MASK", "MASK")), size=(WIDTH, 340), upload=True),
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
    "LoraLoader": NodeType(
        (
            Input("model", "MODEL"),
            Input("clip", "CLIP"),
            Input("lora_name", "COMBO"),
            Input("strength_model", "FLOAT", 1.0),
            Input("strength_clip", "FLOAT", 1.0),
        ),
        (("MODEL", "MODEL"), ("CLIP", "CLIP")),
    ),
    "ControlNetLoader": NodeType((Input("control_net_name", "COMBO"),), (("CONTROL_NET", "CONTROL_NET"),)),
    "ControlNetApplyAdvanced": NodeType(
        (
            Input("positive", "CONDITIONING"),
            Input("negative", "CONDITIONING"),
            Input("control_net", "CONTROL_NET"),
            Input("image", "IMAGE"),
            Input("strength", "FLOAT", 1.0),
            Input("start_percent", "FLOAT", 0.0),
            Input("end_percent", "FLOAT", 1.0),
            Input("vae", "VAE", optional=True),
        ),
        (("positive", "CONDITIONING"), ("negative", "CONDITIONING")),
    ),
    "Canny": NodeType(
        (Input("image", "IMAGE"), Input("low_threshold", "FLOAT", 0.4), Input("high_threshold", "FLOAT", 0.8)),
        IMAGE_OUT,
    ),
    "BatchImagesNode": NodeType((Input("images", AUTOGROW),), IMAGE_OUT),
    "VAEEncode": NodeType((Input("pixels", "IMAGE"), Input("vae", "VAE")), LATENT_OUT),
    "VAEDecode": NodeType((Input("samples", "LATENT"), Input("vae", "VAE")), IMAGE_OUT),
    "SaveImage": NodeType(
        (Input("images", "IMAGE"), Input("filename_prefix", "STRING", "ComfyUI")),
        (("images", "IMAGE"),),
        size=(360, 400),
    ),
    "PreviewImage": NodeType((Input("images", "IMAGE"),), (("images", "IMAGE"),), size=(360, 280)),
    "SolidMask": NodeType(
        (Input("value", "FLOAT", 1.0), Input("width", "INT", 512), Input("height", "INT", 512)), MASK_OUT
    ),
    "MaskComposite": NodeType(
        (
            Input("destination", "MASK"),
            Input("source", "MASK"),
            Input("x", "INT", 0),
            Input("y", "INT", 0),
            Input("operation", "COMBO", "add"),
        ),
        MASK_OUT,
    ),
    "LatentCompositeMasked": NodeType(
        (
            Input("destination", "LATENT"),
            Input("source", "LATENT"),
            Input("x", "INT", 0),
            Input("y", "INT", 0),
            Input("resize_source", "BOOLEAN", False),
            Input("mask", "MASK", optional=True),
        ),
        LATENT_OUT,
    ),
    "InvertMask": NodeType((Input("mask", "MASK"),), MASK_OUT),
    "DisableNoise": NodeType((), (("NOISE", "NOISE"),)),
    "BasicGuider": NodeType((Input("model", "MODEL"), Input("conditioning", "CONDITIONING")), (("GUIDER", "GUIDER"),)),
    "KSamplerSelect": NodeType((Input("sampler_name", "COMBO", "euler"),), (("SAMPLER", "SAMPLER"),)),
    "SamplerCustomAdvanced": NodeType(
        (
            Input("noise", "NOISE"),
            Input("guider", "GUIDER"),
            Input("sampler", "SAMPLER"),
            Input("sigmas", "SIGMAS"),
            Input("latent_image", "LATENT"),
        ),
        (("output", "LATENT"), ("denoised_output", "LATENT")),
        preview=True,
    ),
    "UpscaleModelLoader": NodeType((Input("model_name", "COMBO"),), (("UPSCALE_MODEL", "UPSCALE_MODEL"),)),
    "ImageUpscaleWithModel": NodeType((Input("upscale_model", "UPSCALE_MODEL"), Input("image", "IMAGE")), IMAGE_OUT),
    "KSampler": NodeType(
        (
            Input("model", "MODEL"),
            Input("positive", "CONDITIONING"),
            Input("negative", "CONDITIONING"),
            Input("latent_image", "LATENT"),
            Input("seed", "INT", 0, control="fixed"),
            Input("steps", "INT", 20),
            Input("cfg", "FLOAT", 8.0),
            Input("sampler_name", "COMBO", "euler"),
            Input("scheduler", "COMBO", "normal"),
            Input("denoise", "FLOAT", 1.0),
        ),
        LATENT_OUT,
        preview=True,
    ),
    "MarkdownNote": NodeType(
        (Input("text", "STRING", ""),), size=(WIDTH, 250), colours={"color": "#222", "bgcolor": "#000"}
    ),
}


@functools.cache
def _own() -> dict[str, NodeType]:
    return {name: _read(name, entry) for name, entry in json.loads(GOLDEN.read_text(encoding="utf-8")).items()}


def _read(name: str, entry: dict[str, Any]) -> NodeType:
    inputs = tuple(
        Input(
            each["name"],
            each["type"],
            _default(each),
            each["group"] == "optional",
            control=CONTROLLED.get((name, each["name"]), ""),
            forced=(name, each["name"]) in FORCED,
        )
        for each in entry["inputs"]
    )
    outputs = tuple((each["name"], each["type"]) for each in entry["outputs"])
    return NodeType(
        inputs, outputs, "cellstyle", preview=name in PREVIEWING, upload=name in UPLOADING, folds=name in FOLDING
    )


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
