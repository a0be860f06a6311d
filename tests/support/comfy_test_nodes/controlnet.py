"""A node for the tiny random ControlNet."""

from __future__ import annotations

from comfy_api.latest import io

from .tiny_controlnet import tiny_controlnet


class CellStyleTestControlNet(io.ComfyNode):
    """A seeded random ControlNet for the tiny SD 1.5 model."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleTestControlNet",
            category="CellStyle/test",
            inputs=[io.Int.Input("seed", default=11, min=0, max=2**31)],
            outputs=[io.ControlNet.Output()],
        )

    @classmethod
    def execute(cls, seed):
        return io.NodeOutput(tiny_controlnet(seed))
