"""The test nodes; each says in one line what it makes."""

from __future__ import annotations

import hashlib

import torch
from comfy.patcher_extension import WrappersMP
from comfy_api.latest import ComfyExtension, io

from .controlnet import CellStyleTestControlNet
from .faults import CellStyleTestFault, CellStyleTestUnload
from .leaks import CellStyleTestLeak
from .tiny_models import tiny_conditioning, tiny_dit, tiny_model, tiny_vae

CATEGORY = "CellStyle/test"
_calls = {"count": 0}


class CellStyleTestTinyModel(io.ComfyNode):
    """A seeded random model in ComfyUI's own classes, its conditioning, and an autoencoder."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleTestTinyModel",
            category=CATEGORY,
            inputs=[
                io.Combo.Input("kind", options=["sd15", "sd2v", "sdxl", "dit"], default="sd15"),
                io.Int.Input("seed", default=0, min=0, max=2**31),
            ],
            outputs=[io.Model.Output(), io.Conditioning.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, kind, seed):
        model = tiny_dit() if kind == "dit" else tiny_model(kind, seed)
        return io.NodeOutput(model, tiny_conditioning(kind), tiny_vae())


class CellStyleTestCountCalls(io.ComfyNode):
    """The model, with every call of its network counted (GET /cellstyle_test/calls)."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleTestCountCalls",
            category=CATEGORY,
            inputs=[io.Model.Input("model")],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, model):
        def count(executor, *args, **kwargs):
            _calls["count"] += 1
            return executor(*args, **kwargs)

        model = model.clone()
        model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "cellstyle_test_count", count)
        return io.NodeOutput(model)


class CellStyleTestLatent(io.ComfyNode):
    """A LATENT of any shape: random, blank, or with one NaN in it."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleTestLatent",
            category=CATEGORY,
            inputs=[
                io.Combo.Input("content", options=["random", "zeros", "nan"], default="random"),
                io.Int.Input("batch", default=1, min=0),
                io.Int.Input("channels", default=4, min=1),
                io.Int.Input("height", default=16, min=1),
                io.Int.Input("width", default=16, min=1),
                io.Int.Input("seed", default=0),
            ],
            outputs=[io.Latent.Output()],
        )

    @classmethod
    def execute(cls, content, batch, channels, height, width, seed):
        x = torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 5.5
        if content == "zeros":
            x.zero_()
        elif content == "nan":
            x[0, 0, 0, 0] = float("nan")
        return io.NodeOutput({"samples": x})


class CellStyleTestText(io.ComfyNode):
    """A CONDITIONING of twelve random tokens."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleTestText",
            category=CATEGORY,
            inputs=[io.Int.Input("width", min=1)],
            outputs=[io.Conditioning.Output()],
        )

    @classmethod
    def execute(cls, width):
        return io.NodeOutput([[torch.randn(1, 12, width, generator=torch.Generator().manual_seed(0)), {}]])


class CellStyleTestDigest(io.ComfyNode):
    """The SHA-256 of a LATENT's samples, as text: two results are bit-identical when their digests are."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleTestDigest",
            category=CATEGORY,
            inputs=[io.Latent.Input("latent")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, latent):
        x = latent["samples"].contiguous().cpu()
        digest = hashlib.sha256(x.numpy().tobytes()).hexdigest()
        return io.NodeOutput(ui={"text": [digest, str(tuple(x.shape))]})


class TestExtension(ComfyExtension):
    async def get_node_list(self):
        return [
            CellStyleTestTinyModel,
            CellStyleTestCountCalls,
            CellStyleTestLatent,
            CellStyleTestText,
            CellStyleTestDigest,
            CellStyleTestControlNet,
            CellStyleTestFault,
            CellStyleTestUnload,
            CellStyleTestLeak,
        ]


def register_routes() -> None:
    from aiohttp import web
    from server import PromptServer

    @PromptServer.instance.routes.get("/cellstyle_test/calls")
    async def calls(request):
        return web.json_response(_calls)
