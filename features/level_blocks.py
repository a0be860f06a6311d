"""One block of memory a layer, for the features of all its levels."""

from __future__ import annotations

from collections.abc import Hashable

import torch


class LevelBlocks:
    """Gives each layer's levels their places in one tensor.

    Features that are taken one by one, between the network's own tensors, keep the C library from giving back the
    pages around them: a third more RAM than they have bytes. A block comes from the system in one piece, and takes
    real memory as it is filled.
    """

    def __init__(self, levels: int, device: torch.device):
        self.levels, self.device = levels, device
        self._blocks: dict[Hashable, torch.Tensor] = {}

    def put(self, key: Hashable, level: int, features: torch.Tensor) -> torch.Tensor:
        """A copy of `features`, any shape, in the place of that level in the block of `key`.

        Where another node changes the size from level to level, a copy of its own.
        """
        if key not in self._blocks:
            self._blocks[key] = torch.empty((self.levels, *features.shape), dtype=features.dtype, device=self.device)
        block = self._blocks[key]
        if block.shape[1:] != features.shape or block.dtype != features.dtype:
            return features.to(self.device, copy=True)
        return block[level].copy_(features)
