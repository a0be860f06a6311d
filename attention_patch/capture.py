"""Recording n of the chosen layers while an inversion runs."""

from __future__ import annotations

from comfy.patcher_extension import WrappersMP

from ..features.layer_key import LayerKey
from .patch_order import run_uncompiled, with_patches

# where a prediction finds its recorder in `transformer_options`
CAPTURE = "cellstyle_capture"
# and where one of its network calls, if it is to be recorded, finds which chunk of the batch
_CHUNK = "cellstyle_capture_chunk"


def with_capture(model):
    """A clone of MODEL that hands hidden states to a prediction's recorder, if it has one."""
    patched = model.clone()
    run_uncompiled(patched)
    patched.add_wrapper_with_key(WrappersMP.APPLY_MODEL, CAPTURE, capture_wrapper)
    return patched


def capture_wrapper(executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs):
    """An APPLY_MODEL wrapper that has a network call recorded, where its recorder wants it."""
    transformer_options = transformer_options or {}
    recorder = transformer_options.get(CAPTURE)
    chunk = recorder.chunk_of(x.shape, transformer_options) if recorder is not None else None
    if chunk is not None:
        transformer_options = {**with_patches(transformer_options, first=capture_patch), _CHUNK: chunk}
    return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)


def capture_residual(layer, x, emb, context, transformer_options, *_):
    """A `forward_timestep_embed_patch` for ResBlock that changes nothing and records the chosen blocks' outputs."""
    h = layer(x, emb)
    chunk = transformer_options.get(_CHUNK)
    if chunk is not None:
        recorder = transformer_options[CAPTURE]
        if transformer_options["block"] in recorder.bank.residual_blocks:
            recorder.record_residual(transformer_options["block"], h[chunk])
    return h


def capture_patch(n, context, value, extra_options):
    """An `attn1_patch` that changes nothing: it hands n of the chosen layers to the call's recorder."""
    recorder, layer = extra_options[CAPTURE], layer_of(extra_options)
    recorder.network_ran = True
    if layer in recorder.bank.layers:
        recorder.record(layer, n[extra_options[_CHUNK]], tuple(extra_options["activations_shape"][-2:]))
    return n, context, value


def layer_of(extra_options: dict) -> LayerKey:
    """The layer that an attention patch is called for."""
    block, number = extra_options["block"]
    return LayerKey(block, number, extra_options.get("block_index", 0))
