"""Recording n of the chosen layers while an inversion runs."""

from __future__ import annotations

import torch

from .feature_bank import FeatureBank
from .unet_layers import LayerKey

# where a recording call finds its recorder in `transformer_options`
CAPTURE = "cellstyle_capture"


class LevelRecorder:
    """Takes the hidden states of one level into a bank. Put under CAPTURE into one call's `transformer_options`.

    The first time a layer runs counts: later runs of the same call belong to other parts of the conditioning, or to
    another pack's extra passes.
    """

    def __init__(self, bank: FeatureBank, level: int, device: torch.device):
        self.bank, self.level, self.device = bank, level, device
        bank.features.setdefault(level, {})

    def record(self, layer: LayerKey, n: torch.Tensor, grid: tuple[int, int]) -> None:
        """n: (batch, tokens, channels); grid: (h, w) with h * w tokens."""
        features = self.bank.features[self.level]
        if layer in features:
            return
        if n.shape[1] != grid[0] * grid[1]:
            raise ValueError(
                f"another node has rearranged the tokens of {layer.block}.{layer.number} ({n.shape[1]} tokens where "
                f"{grid[0]} x {grid[1]} were expected; HyperTile and Token Merging do this). Capture with the model as "
                "it comes from the loader, without that node."
            )
        features[layer] = n.detach().to(self.device, copy=True)
        self.bank.grids[layer] = grid

    def record_residual(self, block: tuple[str, int], h: torch.Tensor) -> None:
        """h: (batch, channels, h, w), a residual block's output."""
        residuals = self.bank.residuals.setdefault(self.level, {})
        if block not in residuals:
            residuals[block] = h.detach().to(self.device, copy=True)


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
