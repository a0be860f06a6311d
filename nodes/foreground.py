"""CellStyleForeground: where the cells are, as a MASK."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io, ui

from ..micrograph.foreground import BACKGROUNDS, METHODS, foreground
from ..node_parts.pictures import checked_pictures
from ..node_parts.wire_types import CATEGORY


class CellStyleForeground(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleForeground",
            display_name="Cell Foreground",
            category=CATEGORY,
            description=(
                "Finds the cells of a micrograph by a threshold and gives them as a mask: for Compose Styled Cells, "
                "for masks of Cell Style Blend, for Set Latent Noise Mask."
            ),
            search_aliases=["segment cells", "threshold", "otsu", "li", "triangle", "mask cells", "background"],
            inputs=[
                io.Image.Input("image", tooltip="The micrograph; one mask for each picture of a batch."),
                io.Combo.Input(
                    "method",
                    options=list(METHODS),
                    default="li",
                    tooltip=(
                        "How the threshold is found. li suits fluorescence with bright and dim cells, otsu two clearly "
                        "parted groups of brightness, triangle a few cells on a large background."
                    ),
                ),
                io.Float.Input(
                    "level",
                    default=1.0,
                    min=0.05,
                    max=4.0,
                    step=0.05,
                    tooltip="Factor on the threshold. Higher: only the brighter parts. Lower: dim cells and halos too.",
                ),
                _pixels(
                    "smoothing",
                    1.5,
                    "Blur in pixels before the threshold. Higher: fewer specks and smoother outlines.",
                ),
                _pixels(
                    "feather",
                    1.0,
                    "Softness of the mask's edge in pixels. Higher: the styled cells fade into the background.",
                ),
                io.Combo.Input(
                    "background",
                    options=list(BACKGROUNDS),
                    default="dark",
                    tooltip="dark: bright cells, as in fluorescence. light: dark cells, as in brightfield.",
                ),
            ],
            outputs=[io.Mask.Output(display_name="mask", tooltip="1 where the cells are, 0 around them.")],
        )

    @classmethod
    def execute(cls, image, method, level, smoothing, feather, background):
        pictures = checked_pictures(image, "image")
        masks = np.stack([foreground(p, method, level, smoothing, feather, background) for p in pictures])
        mask = torch.from_numpy(masks)
        return io.NodeOutput(mask, ui=ui.PreviewMask(mask))


def _pixels(name: str, default: float, tooltip: str):
    """The width of a blur."""
    return io.Float.Input(name, default=default, min=0.0, max=50.0, step=0.5, tooltip=tooltip)
