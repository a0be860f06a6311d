"""Places where something can go wrong while the network runs, each with a counter that raises when its turn comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import comfy.model_management
import latent_preview
from comfy.patcher_extension import WrappersMP


class Broken(Exception):
    """What a foreign patch, a driver or a disk may raise."""


# what a run is stopped with; each is made anew for a case
ERRORS: dict[str, Callable[[], BaseException]] = {
    "exception": lambda: Broken("a fault"),
    "interrupt": comfy.model_management.InterruptProcessingException,
    "out of memory": lambda: comfy.model_management.OOM_EXCEPTION("a fault"),
    "no memory": MemoryError,
    "ctrl-c": KeyboardInterrupt,
}


@dataclass
class Fault:
    """Counts how often a site is passed, and raises `error` at pass number `at`; 0 only counts."""

    error: BaseException | None = None
    at: int = 0
    passes: int = 0

    def __call__(self) -> None:
        self.passes += 1
        if self.passes == self.at:
            raise self.error

    def before(self, function):
        """`function`, with this fault in front of every call."""

        def call(*args, **kwargs):
            self()
            return function(*args, **kwargs)

        return call

    def after(self, function):
        """`function`, with this fault once it has its result."""

        def call(*args, **kwargs):
            result = function(*args, **kwargs)
            self()
            return result

        return call


def _on_model(put):
    """A site on a clone of the model, by one of ComfyUI's public hooks: put(clone, fault)."""

    def install(fault, model, vae, patch):
        model = model.clone()
        put(model, fault)
        return model

    return install


def _by_name(where: str, how: str = "before"):
    """A site at a function of a module, for what no public hook reaches."""

    def install(fault, model, vae, patch):
        module, name = where.rsplit(".", 1)
        original = _resolve(module)
        patch.setattr(original, name, getattr(fault, how)(getattr(original, name)))
        return model

    return install


def _resolve(path: str):
    import importlib

    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, name = path.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)


def _progress(fault, model, vae, patch):
    make = latent_preview.prepare_callback
    patch.setattr(latent_preview, "prepare_callback", lambda *args, **kwargs: fault.before(make(*args, **kwargs)))
    return model


def _of_vae(name: str):
    def install(fault, model, vae, patch):
        patch.setattr(vae.first_stage_model, name, fault.before(getattr(vae.first_stage_model, name)), raising=False)
        return model

    return install


def _add_wrapper(how: str):
    def put(model, fault):
        def around(executor, *args, **kwargs):
            return getattr(fault, how)(executor)(*args, **kwargs)

        model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "test_fault", around)

    return put


def _attn1(model, fault):
    model.set_model_attn1_patch(fault.before(lambda n, context, value, extra_options: (n, context, value)))


def _attn1_output(model, fault):
    model.set_model_attn1_output_patch(fault.before(lambda n, extra_options: n))


def _attn2(model, fault):
    model.set_model_attn2_patch(fault.before(lambda n, context, value, extra_options: (n, context, value)))


def _back_end(model, fault):
    def override(function, *args, **kwargs):
        return fault.before(function)(*args, **kwargs)

    model.model_options["transformer_options"]["optimized_attention_override"] = override


def _post_cfg(model, fault):
    model.set_model_sampler_post_cfg_function(fault.before(lambda args: args["denoised"]))


# name: install(fault, model, vae, monkeypatch) -> the model to hand to the nodes
SITES: dict[str, Callable] = {
    "network call": _on_model(_add_wrapper("before")),
    "network result": _on_model(_add_wrapper("after")),
    "foreign attn1 patch": _on_model(_attn1),
    "foreign attn1 output patch": _on_model(_attn1_output),
    "foreign attn2 patch": _on_model(_attn2),
    "attention back end": _on_model(_back_end),
    "step": _on_model(_post_cfg),
    "progress": _progress,
    "model load": _by_name("comfy.model_management.load_models_gpu"),
    "recording": _by_name("cellstyle.features.level_recorder.LevelRecorder.record", "after"),
    "recording residuals": _by_name("cellstyle.features.level_recorder.LevelRecorder.record_residual"),
    "injection": _by_name("cellstyle.attention_patch.architectures.unet_injection.inject_style"),
    "mixing": _by_name("cellstyle.attention_patch.architectures.unet_injection.stack_branches", "after"),
    "mixing result": _by_name("cellstyle.attention_patch.architectures.unet_injection.sum_branches"),
    "step AdaIN": _by_name("cellstyle.attention_patch.model_patch.step_adain"),
    "reading": _by_name("cellstyle.style_file.style.read_tensor", "after"),
    "decoding": _of_vae("decode"),
    "encoding": _of_vae("encode"),
}
NETWORK = (
    "network call",
    "network result",
    "foreign attn1 patch",
    "foreign attn1 output patch",
    "foreign attn2 patch",
    "attention back end",
    "step",
    "progress",
    "model load",
)
"""Sites that every run of the network passes."""
