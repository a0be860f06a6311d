"""Reading n of a UNet's self-attention layers, and what its residual blocks put out."""

from __future__ import annotations

from collections.abc import Mapping

from ...features.layer_key import LayerKey
from ..call_state import state_of
from ..patch_order import with_patches


def record_in_unet(options: Mapping) -> dict:
    """The options of one network call that is recorded, as its state says."""
    return with_patches(options, first=_record)


def record_residual(layer, x, emb, context, transformer_options, *_):
    """A `forward_timestep_embed_patch` for ResBlock that changes nothing and records the chosen blocks' outputs."""
    h = layer(x, emb)
    state = state_of(transformer_options)
    if state.rows is not None and transformer_options["block"] in state.recorder.residual_blocks:
        state.recorder.record_residual(transformer_options["block"], h[state.rows])
    return h


def layer_of(extra_options: Mapping) -> LayerKey:
    """The layer that an attention patch is called for."""
    block, number = extra_options["block"]
    return LayerKey(block, number, extra_options.get("block_index", 0))


def _record(n, context, value, extra_options):
    """An `attn1_patch` that changes nothing: it hands n of the chosen layers to the call's recorder."""
    state, layer = state_of(extra_options), layer_of(extra_options)
    state.recorder.network_ran = True
    if layer in state.recorder.layers:
        grid = tuple(extra_options["activations_shape"][-2:])
        if n.shape[1] != grid[0] * grid[1]:
            raise ValueError(
                f"another node has rearranged the tokens of {layer} ({n.shape[1]} tokens where {grid[0]} x {grid[1]} "
                "were expected). Capture with the model as it comes from the loader, without that node."
            )
        state.recorder.record(layer, n[state.rows], grid)
    return n, context, value
