"""CellStyleSave: a captured style as a file to keep and share."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import torch
from comfy_api.latest import io, ui

from ..engine.checks import check_latent
from ..features.feature_bank import FeatureBank
from ..features.wire_values import StyleKV
from ..node_parts.style_folder import style_folders
from ..node_parts.wire_types import CATEGORY, STYLE_KV
from ..style_file.names import checked_name, paths_to_write
from ..style_file.record import CONDITIONING_TENSORS, NUMBERS, TEXTS, UNET_BLOCKS, Cond, Record
from ..style_file.style import Style, write_style

FORMATS = ("compact", "full")
PRECISIONS = {"fp32": "F32", "fp16": "F16"}
_CONNECT = "Connect Style K/V Capture to Save Style."


class CellStyleSave(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleSave",
            display_name="Save Style",
            category=CATEGORY,
            description="Keeps a captured style as a safetensors file in models/cellstyle, to load later or to share.",
            search_aliases=["save style", "export style", "style file", "style library", "store style"],
            is_output_node=True,
            inputs=[
                STYLE_KV.Input("style_kv", tooltip="A style from Style K/V Capture or Load Style; not a blend."),
                io.Latent.Input(
                    "inverted",
                    tooltip="The style's noise, from the same node as style_kv. Latent AdaIN needs it after loading.",
                ),
                io.String.Input(
                    "name",
                    default="style",
                    tooltip="Name of the file. With / it goes into a subfolder: ink/mountains.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default="compact",
                    tooltip=(
                        "compact: a few MB; loading needs the model and one network call a step. full: the features "
                        "too, hundreds of MB; loading needs neither."
                    ),
                ),
                io.Combo.Input(
                    "precision",
                    options=list(PRECISIONS),
                    default="fp32",
                    advanced=True,
                    tooltip=(
                        "fp32 gives the captured style back exactly. fp16 halves the file; exact too for full files "
                        "of a model that runs in fp16, else a change too small to see."
                    ),
                ),
                io.Boolean.Input(
                    "overwrite",
                    default=False,
                    advanced=True,
                    tooltip="On: replaces a file of this name. Off: keeps it and adds a number to the new one.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The style image, for the thumbnail. Without it, a rough picture from the latent.",
                ),
                io.String.Input(
                    "title", default="", optional=True, tooltip=f"Free text, up to {TEXTS['title']} characters."
                ),
                io.String.Input(
                    "author", default="", optional=True, advanced=True, tooltip="Who made the style or its image."
                ),
                io.String.Input(
                    "licence",
                    default="",
                    optional=True,
                    multiline=True,
                    advanced=True,
                    tooltip="On which terms others may use the style, such as CC BY 4.0, and where the image is from.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="file", tooltip="Name of the file, as Load Style lists it."),
                STYLE_KV.Output(display_name="style_kv", tooltip="The style as it came in."),
            ],
        )

    @classmethod
    def execute(
        cls,
        style_kv,
        inverted,
        name,
        format,
        precision,
        overwrite,
        image=None,
        title="",
        author="",
        licence="",
    ):
        bank = single_style(style_kv)
        checked_name(name)
        texts = {"title": title or "", "author": author or "", "licence": licence or ""}
        style = style_of(bank, inverted, format, PRECISIONS[precision], texts)
        if image is not None:
            if not torch.is_tensor(image) or image.ndim != 4 or image.numel() == 0:
                raise ValueError("image is not a picture (batch, height, width, channels). Connect an IMAGE, or none.")
            style.picture = image[0].float().cpu().numpy()
        folder = style_folders()[0]
        try:
            path = write_style(paths_to_write(folder, name), style, overwrite)
        except OSError as reason:
            raise ValueError(
                f"the style {name!r} could not be written to {folder}: {reason.strerror}. Nothing was left there; look "
                "at free space and rights of that folder."
            ) from reason
        name, size = path.relative_to(folder).as_posix(), path.stat().st_size
        logging.info(f"CellStyleSave: {path}, {size / 1e6:.1f} MB")
        return io.NodeOutput(name, style_kv, ui=ui.PreviewText(f"{name}: {size / 1e6:.1f} MB"))


def single_style(style_kv) -> FeatureBank:
    """The one captured style on a STYLE_KV wire. Raises: ValueError: a blend, or a style with weight or masks."""
    plain = isinstance(style_kv, StyleKV)
    if not plain or style_kv.weight != 1 or style_kv.mask is not None or style_kv.source_mask is not None:
        raise ValueError("style_kv is a blend, and a file holds one style. Save each style before Cell Style Blend.")
    return style_kv.bank


def style_of(bank: FeatureBank, inverted: dict, form: str, dtype: str, texts: dict[str, str]) -> Style:
    """A bank as a style file holds it.

    Args:
        inverted: LATENT, the noise that the same capture gave. form: one of FORMATS. dtype: "F32" or "F16".
    Raises:
        ValueError: a text that is too long, a latent of another size, a bank without what the form needs.
    """
    for key, text in texts.items():
        if len(text) > TEXTS[key]:
            raise ValueError(f"{key} has {len(text)} characters; at most {TEXTS[key]}. Shorten it.")
    noise = check_latent(inverted, what="inverted", ndim=bank.clean.ndim)
    if noise.shape != bank.clean.shape:
        raise ValueError(
            f"inverted has shape {tuple(noise.shape)}, but style_kv was captured from {tuple(bank.clean.shape)}. "
            "Connect both outputs of the same Style K/V Capture."
        )
    levels = len(bank.levels)
    visited = bool(bank.conditioning) and all(level in bank.inputs for level in range(levels))
    obstacle = None if visited else "it was loaded from a file without the trajectory"
    obstacle = obstacle or _not_plain(bank.conditioning)
    if form == "compact" and obstacle:
        raise ValueError(f"this style cannot be saved as compact: {obstacle}. Set format to full.")
    if form == "full" and not all(layer.block in UNET_BLOCKS for layer, _ in bank.family.layers):
        raise ValueError(
            "format is full, but the features of a transformer are gigabytes, and files keep those of UNets alone. Set "
            "format to compact: the model computes them again while sampling."
        )
    if form == "full" and any(layer not in bank.blocks for layer in bank.layers):
        raise ValueError(
            "format is full, but style_kv keeps no features (its storage is recompute). Save it as compact, or capture "
            "it with storage ram."
        )
    conditioning = [] if obstacle else [_plain(entry) for entry in bank.conditioning]
    record = Record(
        model=bank.family.name,
        widths={tuple(layer): width for layer, width in bank.family.layers},
        sigmas=tuple(float(s) for s in bank.sigmas),
        layers=tuple(map(tuple, bank.layers)),
        grids={tuple(layer): tuple(grid) for layer, grid in bank.grids.items()},
        shape=tuple(bank.clean.shape),
        inputs=None if obstacle else dtype,
        features=dtype if form == "full" else None,
        conditioning=tuple(_shapes(*entry) for entry in conditioning),
        texts=texts,
        pack_version=pack_version(),
        solver=bank.solver,
    )
    blocks = {tuple(layer): block for layer, block in bank.blocks.items()} if form == "full" else {}
    return Style(record, bank.clean, noise, bank.inputs, conditioning, blocks)


def pack_version() -> str:
    """The version in pyproject.toml."""
    try:
        text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    found = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    return found[1] if found else "unknown"


def _not_plain(conditioning: list) -> str | None:
    """Why a conditioning cannot be kept in a file: it is more than tensors of a text and numbers."""
    for cross_attn, extra in conditioning:
        if not torch.is_tensor(cross_attn):
            return "its conditioning holds no text"
        strange = [key for key, value in extra.items() if value is not None and not _keeps(key, value)]
        if strange:
            return f"its conditioning holds {strange[0]!r}, which a file cannot keep (ControlNet, masks, hooks)"
    return None


def _keeps(key: str, value) -> bool:
    if key == "pooled_output":
        return torch.is_tensor(value) and value.ndim == 2
    if key in CONDITIONING_TENSORS:
        return torch.is_tensor(value) and 1 <= value.ndim <= 4
    return key in NUMBERS and isinstance(value, int | float)


def _plain(entry: list) -> list:
    cross_attn, extra = entry
    return [cross_attn, {key: value for key, value in extra.items() if value is not None}]


def _shapes(cross_attn: torch.Tensor, extra: dict) -> Cond:
    pooled = extra.get("pooled_output")
    numbers = {key: value for key, value in extra.items() if key in NUMBERS}
    tensors = {key: tuple(extra[key].shape) for key in CONDITIONING_TENSORS if key in extra}
    return Cond(tuple(cross_attn.shape), None if pooled is None else tuple(pooled.shape), numbers, tensors)
