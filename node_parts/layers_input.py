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
            "1.x and 2.x, output.3-5 on SDXL). Or name blocks: output.6-11, or output.7-9, middle. More layers: more "
            "of the style's texture, more memory."
        ),
    )
