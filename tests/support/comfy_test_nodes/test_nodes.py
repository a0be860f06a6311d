"""The test pack's node, and GET /cellstyle_test/calls, which says how often any of its models' networks ran."""

from __future__ import annotations

from aiohttp import web
from comfy_api.latest import ComfyExtension, io
from server import PromptServer

from .tiny_models import tiny_conditioning, tiny_model, tiny_vae

_calls = {"calls": 0}


class CellStyleTestTinyModel(io.ComfyNode):
    """A model with random weights, in place of a checkpoint: quick, reproducible and meaningless."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CellStyleTestTinyModel",
            display_name="Tiny random model (tests)",
            category="CellStyle/tests",
            inputs=[
                io.Combo.Input("kind", options=["sd15", "sd2v", "sdxl"], default="sd15", optional=True),
                io.Int.Input("seed", default=0, min=0, max=2**31, optional=True),
            ],
            outputs=[io.Model.Output(), io.Conditioning.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, kind: str = "sd15", seed: int = 0) -> io.NodeOutput:
        model = tiny_model(kind, seed)
        model.model.diffusion_model.register_forward_pre_hook(_count)
        return io.NodeOutput(model, tiny_conditioning(kind), tiny_vae())


def _count(*_: object) -> None:
    _calls["calls"] += 1


class TestNodesExtension(ComfyExtension):
    async def on_load(self) -> None:
        @PromptServer.instance.routes.get("/cellstyle_test/calls")
        async def calls(_request: web.Request) -> web.Response:
            return web.json_response(_calls)

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [CellStyleTestTinyModel]
