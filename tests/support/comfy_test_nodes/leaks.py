"""What is alive in the server (GET /cellstyle_test/alive), and a node that never lets go of what it was given."""

from __future__ import annotations

import contextlib
import ctypes
import gc

import torch
from comfy_api.latest import io

_kept = []


class CellStyleTestLeak(io.ComfyNode):
    """The STYLE_KV as it came in, and kept for as long as the server lives."""

    @classmethod
    def define_schema(cls):
        style_kv = io.Custom("STYLE_KV")
        return io.Schema(
            node_id="CellStyleTestLeak",
            category="CellStyle/test",
            inputs=[style_kv.Input("style_kv")],
            outputs=[style_kv.Output()],
        )

    @classmethod
    def execute(cls, style_kv):
        _kept.append(style_kv)
        return io.NodeOutput(style_kv)


def alive() -> dict[str, int]:
    """Counts of tensors, feature banks and model patchers, and the bytes of the tensors' storages, each once.

    Memory that is free goes back to the system first, where the C library can do that, so that the rest can be read.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
    things = gc.get_objects()
    tensors = [thing for thing in things if issubclass(type(thing), torch.Tensor) and thing.device.type != "meta"]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    kinds = [type(thing).__name__ for thing in things]
    return {
        "tensors": len(tensors),
        "tensor_bytes": sum(storages.values()),
        "banks": kinds.count("FeatureBank"),
        "patchers": kinds.count("ModelPatcher"),
    }


def register_routes() -> None:
    from aiohttp import web
    from server import PromptServer

    @PromptServer.instance.routes.get("/cellstyle_test/alive")
    async def get_alive(request):
        return web.json_response(alive())
