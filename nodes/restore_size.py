"""CellStyleRestoreSize: from the model's canvas back to the micrograph's own size."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io

from ..micrograph.canvas import Fit, from_metadata, resize, restore, unpad
from ..micrograph.detail import MODES, add_detail
from ..node_parts.wire_types import CATEGORY

TARGETS = ("original size", "without padding")


class CellStyleRestoreSize(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleRestoreSize",
            display_name="Restore Micrograph Size",
            category=CATEGORY,
            description=(
                "Takes off what Load Micrograph padded and goes back to the size of the file; with the original "
                "connected, its fine detail comes back too."
            ),
            search_aliases=[
                "unpad",
                "remove padding",
                "original size",
                "crop to original",
                "undo resize",
                "keep detail",
                "sharpen",
            ],
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
                io.Image.Input(
                    "original",
                    optional=True,
                    tooltip=(
                        "The micrograph at full size, from a second Load Micrograph with size keep. Its fine "
                        "luminance, which the smaller picture could not carry, is laid over the style's colour and "
                        "texture. One, or one an image."
                    ),
                ),
                io.Combo.Input(
                    "detail",
                    options=list(MODES),
                    default=MODES[0],
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "guided: detail follows what the style did to the contrast, also where it turned light into "
                        "dark. laplacian: detail as it is in the original. Only with original connected."
                    ),
                ),
                io.Float.Input(
                    "detail_amount",
                    default=1.0,
                    min=0.0,
                    max=2.0,
                    step=0.05,
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "How much of the original's detail comes back: 0 none, 1 all of it. Higher is sharper than the "
                        "original. Only with original connected."
                    ),
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="Pixel for pixel over the original micrograph.")],
        )

    @classmethod
    def execute(cls, image, metadata, target, original=None, detail=MODES[0], detail_amount=1.0):
        if not torch.is_tensor(image) or image.ndim != 4 or image.numel() == 0:
            raise ValueError("image is not a batch of pictures (batch, height, width, channels). Connect an IMAGE.")
        way = from_metadata(metadata)
        pictures = image.detach().float().cpu().numpy()
        restored = [restore(picture, way, target == TARGETS[0]) for picture in pictures]
        if original is not None:
            contents = _originals(original, way, len(pictures))
            for n, picture in enumerate(pictures):
                small = resize(unpad(picture, way), way.scaled_width, way.scaled_height)
                content = contents[n % len(contents)]
                restored[n] = add_detail(restored[n], small, content, detail, detail_amount)
        return io.NodeOutput(torch.from_numpy(np.stack(restored)).to(image.device, image.dtype))


def _originals(original: torch.Tensor, way: Fit, count: int) -> np.ndarray:
    """(1 or count, height, width, channels). Raises ValueError where they are not the micrograph that was loaded."""
    if not torch.is_tensor(original) or original.ndim != 4 or original.numel() == 0:
        raise ValueError("original is not a batch of pictures (batch, height, width, channels). Connect an IMAGE.")
    height, width = original.shape[1:3]
    if (width, height) != (way.source_width, way.source_height):
        raise ValueError(
            f"original has {width} x {height} pixels, and the file that metadata describes "
            f"{way.source_width} x {way.source_height}. Connect Load Micrograph of the same file with size keep."
        )
    if len(original) not in (1, count):
        raise ValueError(f"{len(original)} originals do not fit {count} images. Give one, or one an image.")
    return original.detach().float().cpu().numpy()
