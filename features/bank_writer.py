"""Filling a feature bank level by level, the way its storage wants it."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from functools import partial

import torch

from .feature_bank import FeatureBank
from .host_copies import ToRam
from .layer_key import LayerKey
from .level_recorder import LevelRecorder
from .storage_choice import Storage, to_fp8


class BankWriter:
    """One capture: `recorder` opens a level and closes the one before, `finish` closes the last and fills the bank.

    Each layer's levels have their places in one block. Features that are taken one by one, between the network's own
    tensors, keep the C library from giving back the pages around them: a third more RAM than they have bytes. A block
    comes from the system in one piece, and takes real memory as it is filled.
    """

    def __init__(self, name: str, bank: FeatureBank, storage: Storage, source: torch.device):
        """name: the node's, for messages. source: the device that the network runs on."""
        self.name, self.bank, self.storage = name, bank, storage
        self._blocks: dict[Hashable, torch.Tensor] = {}
        self._grids: dict[LayerKey, tuple[int, int]] = {}
        self._staged = ToRam() if storage.place == "ram" and source.type == "cuda" else None
        self._open: tuple[int, LevelRecorder] | None = None
        self._squared_error = self._squared = 0.0

    def recorder(self, level: int) -> LevelRecorder:
        """The recorder for the network call of this level."""
        self._close()
        recorder = LevelRecorder(self.bank, partial(self._keep, level), partial(self._copy, level), self._grids)
        self._open = level, recorder
        return recorder

    def finish(self) -> None:
        """Raises ValueError as `LevelRecorder.check` does."""
        self._close()
        if self._staged is not None:
            self._staged.finish()
        if self.storage.fp8 and self._squared:
            error = float((self._squared_error / self._squared) ** 0.5)
            logging.info(f"{self.name}: fp8 rounds the features by {100 * error:.1f} % (relative L2)")
        self.bank.grids = self._grids
        self.bank.blocks = {key: block for key, block in self._blocks.items() if isinstance(key, LayerKey)}
        self.bank.residuals = {key: block for key, block in self._blocks.items() if not isinstance(key, LayerKey)}

    def _keep(self, level: int, layer: LayerKey, found: torch.Tensor) -> torch.Tensor:
        if self.storage.place == "recompute":
            return found.new_empty(0)
        if not self.storage.fp8:
            return self._copy(level, layer, found)
        found = found.cpu() if found.device.type == "mps" else found  # which cannot round to fp8
        rounded = to_fp8(found)
        self._squared_error += (rounded.float() - found.float()).square().sum()
        self._squared += found.float().square().sum()
        return rounded if self._staged is not None else self._file(level, layer, rounded)

    def _copy(self, level: int, key: Hashable, found: torch.Tensor) -> torch.Tensor:
        return found.clone() if self._staged is not None else self._file(level, key, found)

    def _close(self) -> None:
        if self._open is None:
            return
        level, recorder = self._open
        self._open = None
        recorder.check(self.name)
        if self._staged is not None:
            features = {} if self.storage.place == "recompute" else recorder.features
            self._staged.put({**features, **recorder.residuals}, partial(self._file, level))

    def _file(self, level: int, key: Hashable, found: torch.Tensor) -> torch.Tensor:
        """A copy of `found` in its place of the block."""
        if key not in self._blocks:
            shape = (len(self.bank.levels), *found.shape)
            self._blocks[key] = torch.empty(shape, dtype=found.dtype, device=self.storage.device)
        block = self._blocks[key]
        if block.shape[1:] != found.shape:
            raise ValueError(
                f"another node changes the size of {key[0]}.{key[1]} from step to step ({tuple(block.shape[1:])}, then "
                f"{tuple(found.shape)}; PatchModelAddDownscale does this). Capture with the model as it comes from the "
                "loader; the sampler may have that node."
            )
        return block[level].copy_(found)
