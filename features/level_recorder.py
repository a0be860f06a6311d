"""What one level's network call hands over while it runs."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

from .feature_bank import FeatureBank
from .layer_key import LayerKey

BESIDE_SAMPLING = "recompute"
"""The name under which features are recorded while the sampler waits for them."""

Keep = Callable[[Hashable, torch.Tensor], torch.Tensor]


def _clone(key: Hashable, found: torch.Tensor) -> torch.Tensor:
    return found.clone()


class LevelRecorder:
    """Takes the hidden states of one level. Put under CAPTURE into one prediction's `transformer_options`.

    features[layer]: (batch, tokens, channels) of the bank's layers; residuals[(block, number)]: (batch, channels, h, w)
    of its residual blocks. The first network call that sees the whole picture counts: later ones belong to other parts
    of the conditioning, or to another pack's extra passes.
    """

    def __init__(self, bank: FeatureBank, keep: Keep = _clone, keep_residual: Keep = _clone):
        """keep, keep_residual: make what is stored of a layer's or block's tensor; never the tensor itself, which
        others may change."""
        self.bank, self.keep, self.keep_residual = bank, keep, keep_residual
        self.features: dict[LayerKey, torch.Tensor] = {}
        self.residuals: dict[tuple[str, int], torch.Tensor] = {}
        self.saw_a_part = self.network_ran = False

    def chunk_of(self, shape, transformer_options: dict) -> slice | None:
        """Which part of a network call's batch is to be recorded: one positive conditioning of the whole picture.

        shape: (B, C, h, w) of what the call sees.
        """
        if tuple(shape[-2:]) != tuple(self.bank.clean.shape[-2:]):
            self.saw_a_part = True
            return None
        conds = transformer_options.get("cond_or_uncond", [0])
        if 0 not in conds:
            return None
        size = shape[0] // len(conds)
        return slice(conds.index(0) * size, (conds.index(0) + 1) * size)

    def record(self, layer: LayerKey, n: torch.Tensor, grid: tuple[int, int]) -> None:
        """n: (batch, tokens, channels); grid: (h, w) with h * w tokens."""
        if layer in self.features:
            return
        if n.shape[1] != grid[0] * grid[1]:
            raise ValueError(
                f"another node has rearranged the tokens of {layer.block}.{layer.number} ({n.shape[1]} tokens where "
                f"{grid[0]} x {grid[1]} were expected). Capture with the model as it comes from the loader, without "
                "that node."
            )
        known = self.bank.grids.setdefault(layer, grid)
        if known != grid:
            raise ValueError(
                f"another node changes the size of {layer.block}.{layer.number} from step to step ({known[0]} x "
                f"{known[1]} tokens, then {grid[0]} x {grid[1]}; PatchModelAddDownscale does this). Capture with the "
                "model as it comes from the loader; the sampler may have that node."
            )
        self.features[layer] = self.keep(layer, n.detach())

    def record_residual(self, block: tuple[str, int], h: torch.Tensor) -> None:
        """h: (batch, channels, h, w), a residual block's output."""
        if block not in self.residuals:
            self.residuals[block] = self.keep_residual(block, h.detach())

    def check(self, name: str) -> None:
        """Raises ValueError where the network call is over and a layer did not run. name: the node's."""
        missing = [layer for layer in self.bank.layers if layer not in self.features]
        beside = name == BESIDE_SAMPLING
        if missing and self.saw_a_part and beside:
            raise ValueError(
                "features are recomputed while sampling, and another node shows the network only parts of the picture "
                "(tiled sampling, areas). Set storage to ram in DDIM Invert and Style K/V Capture."
            )
        if missing and self.saw_a_part:
            raise ValueError(
                f"{name} saw only parts of the picture, as with conditionings that all have an area. Connect a "
                "conditioning for the whole picture to it; the sampler may have the areas."
            )
        if missing and not self.network_ran:
            raise ValueError(
                f"{name}: at one step the network was not run at all. A step cache on the model (EasyCache, LazyCache, "
                "TeaCache and the like) answers some steps from earlier ones, and then there is nothing to record. "
                + (
                    "Set storage to ram in DDIM Invert and Style K/V Capture."
                    if beside
                    else "Connect the model from before that node; the sampler may have it."
                )
            )
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
