"""Recording n of the chosen layers while an inversion runs."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .feature_bank import FeatureBank
from .unet_layers import LayerKey

# where a recording call finds its recorder in `transformer_options`
CAPTURE = "cellstyle_capture"

Keep = Callable[[torch.Tensor], torch.Tensor]


class LevelRecorder:
    """Takes the hidden states of one level. Put under CAPTURE into one call's `transformer_options`.

    features[layer]: (batch, tokens, channels) of the bank's layers; residuals[(block, number)]: (batch, channels, h, w)
    of its residual blocks. The first time a layer runs counts: later runs of the same call belong to other parts of the
    conditioning, or to another pack's extra passes.
    """

    def __init__(self, bank: FeatureBank, keep: Keep = torch.clone, keep_residual: Keep = torch.clone):
        """keep, keep_residual: make what is stored of a tensor; never the tensor itself, which others may change."""
        self.bank, self.keep, self.keep_residual = bank, keep, keep_residual
        self.features: dict[LayerKey, torch.Tensor] = {}
        self.residuals: dict[tuple[str, int], torch.Tensor] = {}

    def record(self, layer: LayerKey, n: torch.Tensor, grid: tuple[int, int]) -> None:
        """n: (batch, tokens, channels); grid: (h, w) with h * w tokens."""
        if layer in self.features:
            return
        if n.shape[1] != grid[0] * grid[1]:
            raise ValueError(
                f"another node has rearranged the tokens of {layer.block}.{layer.number} ({n.shape[1]} tokens where "
                f"{grid[0]} x {grid[1]} were expected; HyperTile and Token Merging do this). Capture with the model as "
                "it comes from the loader, without that node."
            )
        self.features[layer] = self.keep(n.detach())
        self.bank.grids[layer] = grid

    def record_residual(self, block: tuple[str, int], h: torch.Tensor) -> None:
        """h: (batch, channels, h, w), a residual block's output."""
        if block not in self.residuals:
            self.residuals[block] = self.keep_residual(h.detach())

    def check(self, name: str) -> None:
        """Raises ValueError where the network call is over and a layer did not run. name: the node's."""
        missing = [layer for layer in self.bank.layers if layer not in self.features]
        if missing:
            layer = missing[0]
            raise ValueError(
                f"{name} could not read layer {layer.block}.{layer.number}: another node replaced that block of the "
                "model. Connect the model as it comes from the loader."
            )
        if len(self.residuals) < len(self.bank.residual_blocks):
            raise ValueError(
                f"{name}: this version of ComfyUI does not let a node read residual blocks (0.30 does), or another "
                "node does so before this one. Leave residual_features empty, or update ComfyUI."
            )


def capture_residual(layer, x, emb, context, transformer_options, *_):
    """A `forward_timestep_embed_patch` for ResBlock that changes nothing and records the chosen blocks' outputs."""
    h = layer(x, emb)
    recorder = transformer_options.get(CAPTURE)
    if recorder is not None and transformer_options["block"] in recorder.bank.residual_blocks:
        chunk = h.shape[0] // len(transformer_options["cond_or_uncond"])
        recorder.record_residual(transformer_options["block"], h[:chunk])
    return h


def capture_patch(n, context, value, extra_options):
    """An `attn1_patch` that changes nothing: it hands n of the chosen layers to the call's recorder, if it has one."""
    recorder = extra_options.get(CAPTURE)
    if recorder is not None:
        layer = layer_of(extra_options)
        if layer in recorder.bank.layers:
            # one chunk a conditioning; the first is the plain prediction
            chunk = n.shape[0] // len(extra_options["cond_or_uncond"])
            recorder.record(layer, n[:chunk], tuple(extra_options["activations_shape"][-2:]))
    return n, context, value


def layer_of(extra_options: dict) -> LayerKey:
    """The layer that an attention patch is called for."""
    block, number = extra_options["block"]
    return LayerKey(block, number, extra_options.get("block_index", 0))
