"""Which self-attention layers to use: an input of every node that captures or injects."""

from __future__ import annotations

from comfy_api.latest import io


def layers_input():
    """layers, as `Architecture.select` reads it."""
    return io.String.Input(
        "layers",
        default="auto",
        advanced=True,
        tooltip=(
            "Self-attention layers to use. auto: the decoder layers on the two finest token grids (output.6-11 on SD "
            "1.x and 2.x, output.3-5 on SDXL). Or name blocks: output.6-11, or output.7-9, middle. Transformers: auto "
            "is the second half of the blocks; or double.0-18, single.0-37 (Flux), joint.0-23 (SD 3), block.0-27 "
            "(others). More layers: more of the style's texture, more memory."
        ),
    )
