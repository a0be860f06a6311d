"""Recording features of the chosen layers while a pass runs."""

from __future__ import annotations

from functools import partial

from comfy.patcher_extension import WrappersMP

from .architectures.architecture import Architecture, NetworkCall
from .call_state import state_of, with_state
from .patch_order import run_uncompiled

# the key of the wrapper on a MODEL
CAPTURE = "cellstyle_capture"


def with_capture(model, architecture: Architecture, residual_blocks: tuple[tuple[str, int], ...] = ()):
    """A clone of MODEL that hands features to a prediction's recorder, if it has one."""
    patched = model.clone()
    run_uncompiled(patched)
    add_capture(patched, architecture)
    architecture.prepare_for_recording(patched, residual_blocks)
    return patched


def add_capture(clone, architecture: Architecture) -> None:
    """Puts a wrapper on a MODEL clone: network calls of a prediction that has a recorder are recorded."""
    clone.add_wrapper_with_key(WrappersMP.APPLY_MODEL, CAPTURE, partial(_record_call, architecture))


def _record_call(
    architecture: Architecture,
    executor,
    x,
    t,
    c_concat=None,
    c_crossattn=None,
    control=None,
    transformer_options=None,
    **kwargs,
):
    transformer_options = transformer_options or {}
    recorder = state_of(transformer_options).recorder
    rows = recorder.rows_of(x.shape, transformer_options) if recorder is not None else None
    if rows is not None:
        options = with_state(transformer_options, rows=rows)
        transformer_options = architecture.recording(options, NetworkCall(x, c_crossattn, kwargs), recorder, rows)
    return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)
