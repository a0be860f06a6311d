"""CellStyleRestoreSize: from the model's canvas back to the micrograph's own size."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io

from ..micrograph.canvas import from_metadata, restore
from ..node_parts.wire_types import CATEGORY

TARGETS = ("original size", "without padding")


class CellStyleRestoreSize(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleRestoreSize",
            display_name="Restore Micrograph Size",
            category=CATEGORY,
            description="Takes off what Load Micrograph padded and goes back to the size of the file.",
            search_aliases=["unpad", "remove padding", "original size", "crop to original", "undo resize"],
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="A picture made from the image of Load Micrograph. It may have been enlarged on the way.",
                ),
                io.String.Input("metadata", force_input=True, tooltip="The metadata of Load Micrograph."),
                io.Combo.Input(
                    "target",
                    options=list(TARGETS),
                    default="original size",
                    tooltip=(
                        "original size: as many pixels as the file has. without padding: only the padding goes, and "
                        "what "
                        "an upscaler added stays."
                    ),
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="Pixel for pixel over the original micrograph.")],
        )

    @classmethod
    def execute(cls, image, metadata, target):
        if not torch.is_tensor(image) or image.ndim != 4 or image.numel() == 0:
            raise ValueError("image is not a batch of pictures (batch, height, width, channels). Connect an IMAGE.")
        way = from_metadata(metadata)
        pictures = image.detach().float().cpu().numpy()
        restored = np.stack([restore(picture, way, target == TARGETS[0]) for picture in pictures])
        return io.NodeOutput(torch.from_numpy(restored).to(image.device, image.dtype))
