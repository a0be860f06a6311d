"""CellStyleCompose: styled cells on their background, with the brightness and the colours that are to stay."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io

from ..micrograph.compose import BACKGROUNDS, COLOURS, compose
from ..node_parts.pictures import checked_masks, checked_pictures
from ..node_parts.wire_types import CATEGORY


class CellStyleCompose(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleCompose",
            display_name="Compose Styled Cells",
            category=CATEGORY,
            description=(
                "Puts the styled cells of a fluorescence picture on black, on the styled background or on the "
                "micrograph itself, and keeps as much of the micrograph's brightness and pseudo-colours as you like."
            ),
            search_aliases=["composite", "black background", "fluorescence", "keep channels", "recolour", "tint"],
            inputs=[
                io.Image.Input("content", tooltip="The micrograph, as it was before the transfer."),
                io.Image.Input(
                    "styled", tooltip="The transfer's picture; scaled to the content's size if it has another."
                ),
                io.Mask.Input(
                    "mask", optional=True, tooltip="The cells, from Cell Foreground. None: the whole picture."
                ),
                io.Combo.Input(
                    "background",
                    options=list(BACKGROUNDS),
                    default="black",
                    tooltip=(
                        "What is around the cells. black: as in the microscope. styled: the style's ground too. "
                        "content: the micrograph's own."
                    ),
                ),
                io.Combo.Input(
                    "colours",
                    options=list(COLOURS),
                    default="styled",
                    tooltip=(
                        "styled: the style's. content: the style gives the intensity and the micrograph its "
                        "pseudo-colours, so that the channels can still be told apart."
                    ),
                ),
                io.Float.Input(
                    "brightness",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip=(
                        "Share of the micrograph's own brightness. At 1 every nucleus stays as clear against its "
                        "surroundings as it was, and the style gives colours and strokes. Lower: the style's light."
                    ),
                ),
                io.Float.Input(
                    "detail",
                    default=1.0,
                    min=0.0,
                    max=50.0,
                    step=0.5,
                    advanced=True,
                    tooltip="Size in pixels above which brightness is the micrograph's. Higher: larger strokes stay.",
                ),
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The composed picture, of the content's size.")],
        )

    @classmethod
    def execute(cls, content, styled, background, colours, brightness, detail, mask=None):
        contents, drawn = checked_pictures(content, "content"), checked_pictures(styled, "styled")
        height, width = contents.shape[1:3]
        if drawn.shape[1:3] != (height, width):
            planes = torch.from_numpy(drawn.copy()).movedim(3, 1)
            planes = torch.nn.functional.interpolate(planes, (height, width), mode="bicubic", antialias=True)
            drawn = planes.clamp(0, 1).movedim(1, 3).numpy()
        masks = None if mask is None else checked_masks(mask, "mask", (height, width))
        counts = {"contents": len(contents), "styled pictures": len(drawn)}
        counts |= {} if masks is None else {"masks": len(masks)}
        count = max(counts.values())
        if any(number not in (1, count) for number in counts.values()):
            given = ", ".join(f"{number} {name}" for name, number in counts.items())
            raise ValueError(f"{given} cannot be put together; use as many of each, or one.")
        pictures = [
            compose(
                contents[i % len(contents)],
                drawn[i % len(drawn)],
                None if masks is None else masks[i % len(masks)],
                background,
                colours,
                brightness,
                detail,
            )
            for i in range(count)
        ]
        return io.NodeOutput(torch.from_numpy(np.stack(pictures)))
