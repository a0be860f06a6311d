"""Receives the features of one level while its network call runs."""

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
    """Takes the features of one level from the one network call that is meant for it.

    features[layer]: (batch, ...) of `layers`; grids[layer]: (h, w) of their tokens; residuals[(block, number)]: (batch,
    channels, h, w) of `residual_blocks`. The first network call that sees the whole picture counts: later ones belong
    to other parts of the conditioning, or to another pack's extra passes.
    """

    def __init__(
        self,
        bank: FeatureBank,
        keep: Keep = _clone,
        keep_residual: Keep = _clone,
        grids: dict[LayerKey, tuple[int, int]] | None = None,
    ):
        """bank: says what is recorded, and is only read. keep, keep_residual: make what is stored of a layer's or
        block's tensor; never the tensor itself, which others may change. grids: those of the levels before, which
        this level has to agree with."""
        self.layers, self.residual_blocks, self.role, self.size = (
            bank.layers,
            bank.residual_blocks,
            bank.role,
            bank.size,
        )
        self.keep, self.keep_residual = keep, keep_residual
        self.features: dict[LayerKey, torch.Tensor] = {}
        self.residuals: dict[tuple[str, int], torch.Tensor] = {}
        self.grids = {} if grids is None else grids
        self.saw_a_part = self.network_ran = False

    def rows_of(self, shape, transformer_options: dict) -> slice | None:
        """Which rows of a network call's batch are to be recorded: one positive conditioning of the whole picture.

        shape: (B, C, ..., h, w) of what the call sees.
        """
        if tuple(shape[-2:]) != self.size:
            self.saw_a_part = True
            return None
        conds = transformer_options.get("cond_or_uncond", [0])
        if 0 not in conds:
            return None
        size = shape[0] // len(conds)
        return slice(conds.index(0) * size, (conds.index(0) + 1) * size)

    def record(self, layer: LayerKey, found: torch.Tensor, grid: tuple[int, int]) -> None:
        """found: (batch, ...), what the architecture keeps of a layer; grid: (h, w) of its tokens.

        Raises: ValueError where the grid is not that of the levels before.
        """
        if layer in self.features:
            return
        known = self.grids.setdefault(layer, grid)
        if known != grid:
            raise ValueError(
                f"another node changes the size of {layer} from step to step ({known[0]} x "
                f"{known[1]} tokens, then {grid[0]} x {grid[1]}; PatchModelAddDownscale does this). Capture with the "
                "model as it comes from the loader; the sampler may have that node."
            )
        self.features[layer] = self.keep(layer, found.detach())

    def record_residual(self, block: tuple[str, int], h: torch.Tensor) -> None:
        """h: (batch, channels, h, w), a residual block's output."""
        if block not in self.residuals:
            self.residuals[block] = self.keep_residual(block, h.detach())

    def check(self, name: str) -> None:
        """Raises ValueError where the network call is over and a layer did not run. name: the node's."""
        missing = [layer for layer in self.layers if layer not in self.features]
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
            raise ValueError(
                f"{name} could not read layer {missing[0]}: another node replaced that block of the "
                "model. Connect the model as it comes from the loader."
            )
        if len(self.residuals) < len(self.residual_blocks):
            raise ValueError(
                f"{name}: this version of ComfyUI does not let a node read residual blocks (0.30 does), or another "
                "node does so before this one. Leave residual_features empty, or update ComfyUI."
            )
