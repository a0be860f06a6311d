"""CellStyleLoadExample: a picture that comes with the pack, so that a fresh template runs."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..node_parts.example_pictures import example_names, read_example
from ..node_parts.wire_types import CATEGORY


class CellStyleLoadExample(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleLoadExample",
            display_name="Load Example Picture",
            category=CATEGORY,
            description=(
                "A picture that comes with the node pack: a drawn micrograph or a style. With it the workflow "
                "templates run at once. For your own picture, put Load Image or Load Micrograph in its place."
            ),
            search_aliases=[
                "example image",
                "sample image",
                "demo picture",
                "test image",
                "load image",
                "style picture",
                "example micrograph",
            ],
            inputs=[
                io.Combo.Input(
                    "picture",
                    options=example_names(),
                    tooltip=(
                        "content_\u2026: drawings that look like micrographs; nothing in them was measured. "
                        "style_\u2026: pictures to take texture and colour from. All are CC0 and lie in the pack's "
                        "example_images."
                    ),
                )
            ],
            outputs=[io.Image.Output(display_name="image", tooltip="The picture, one, in colour.")],
        )

    @classmethod
    def execute(cls, picture):
        image = read_example(picture)
        return io.NodeOutput(image, ui=ui.PreviewImage(image))
