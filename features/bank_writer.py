"""Filling a feature bank level by level, the way its storage wants it."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from functools import partial

import torch

from .feature_bank import FeatureBank
from .host_copies import ToRam
from .layer_key import LayerKey
from .level_blocks import LevelBlocks
from .level_recorder import LevelRecorder
from .storage_choice import Storage, to_fp8


class BankWriter:
    """One capture: `recorder` opens a level and closes the one before, `finish` closes the last."""

    def __init__(self, name: str, bank: FeatureBank, storage: Storage, source: torch.device):
        """name: the node's, for messages. source: the device that the network runs on."""
        self.name, self.bank, self.storage = name, bank, storage
        self._blocks = LevelBlocks(len(bank.levels), storage.device)
        self._staged = ToRam() if storage.place == "ram" and source.type == "cuda" else None
        self._open: tuple[int, LevelRecorder] | None = None
        self._squared_error = self._squared = 0.0

    def recorder(self, level: int) -> LevelRecorder:
        """What the network call of this level is to hand its hidden states to."""
        self._close()
        recorder = LevelRecorder(self.bank, partial(self._keep, level), partial(self._copy, level))
        self._open = level, recorder
        return recorder

    def finish(self) -> None:
        """Raises ValueError as `LevelRecorder.check` does."""
        self._close()
        if self._staged is not None:
            self._staged.finish()
        if self.storage.fp8 and self.bank.features:
            error = float((self._squared_error / self._squared) ** 0.5)
            logging.info(f"{self.name}: fp8 rounds the features by {100 * error:.1f} % (relative L2)")

    def _keep(self, level: int, layer: LayerKey, n: torch.Tensor) -> torch.Tensor:
        if self.storage.place == "recompute":
            return n.new_empty(0)
        if not self.storage.fp8:
            return self._copy(level, layer, n)
        n = n.cpu() if n.device.type == "mps" else n  # which cannot round to fp8
        rounded = to_fp8(n)
        self._squared_error += (rounded.float() - n.float()).square().sum()
        self._squared += n.float().square().sum()
        return rounded if self._staged is not None else self._blocks.put(layer, level, rounded)

    def _copy(self, level: int, key: Hashable, found: torch.Tensor) -> torch.Tensor:
        return found.clone() if self._staged is not None else self._blocks.put(key, level, found)

    def _close(self) -> None:
        if self._open is None:
            return
        level, recorder = self._open
        self._open = None
        recorder.check(self.name)
        found = {**({} if self.storage.place == "recompute" else recorder.features), **recorder.residuals}
        if self._staged is not None:
            self._staged.put(found, partial(self._arrived, level))
            return
        for key, kept in found.items():
            self._file(level, key, kept)

    def _arrived(self, level: int, key: Hashable, staged: torch.Tensor) -> None:
        self._file(level, key, self._blocks.put(key, level, staged))

    def _file(self, level: int, key: Hashable, kept: torch.Tensor) -> None:
        levels = self.bank.features if isinstance(key, LayerKey) else self.bank.residuals
        levels.setdefault(level, {})[key] = kept
