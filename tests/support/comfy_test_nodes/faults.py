"""Test nodes that make something go wrong, or move the models about, in the middle of a graph."""

from __future__ import annotations

import comfy.model_management
from comfy.patcher_extension import WrappersMP
from comfy_api.latest import io

CATEGORY = "CellStyle/test"
ERRORS = {
    "exception": lambda: RuntimeError("a fault"),
    "out of memory": lambda: comfy.model_management.OOM_EXCEPTION("a fault"),
    "interrupt": comfy.model_management.InterruptProcessingException,
}


class CellStyleTestFault(io.ComfyNode):
    """The model, whose network raises at its call number `at` from 1."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleTestFault",
            category=CATEGORY,
            inputs=[
                io.Model.Input("model"),
                io.Combo.Input("error", options=list(ERRORS), default="exception"),
                io.Int.Input("at", default=1, min=1),
            ],
            outputs=[io.Model.Output()],
        )

    @classmethod
    def execute(cls, model, error, at):
        passes = 0

        def count(executor, *args, **kwargs):
            nonlocal passes
            passes += 1
            if passes == at:
                raise ERRORS[error]()
            return executor(*args, **kwargs)

        model = model.clone()
        model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "cellstyle_test_fault", count)
        return io.NodeOutput(model)


class CellStyleTestUnload(io.ComfyNode):
    """The LATENT as it came in, with every model put out of the device's memory."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleTestUnload",
            category=CATEGORY,
            inputs=[io.Latent.Input("latent")],
            outputs=[io.Latent.Output()],
        )

    @classmethod
    def execute(cls, latent):
        comfy.model_management.unload_all_models()
        comfy.model_management.soft_empty_cache()
        return io.NodeOutput(latent)
