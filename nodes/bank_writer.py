"""Filling a feature bank level by level, the way its storage wants it."""

from __future__ import annotations

import logging

import torch

from ..attention_patch.capture import LevelRecorder
from ..attention_patch.feature_bank import FeatureBank
from ..attention_patch.host_copies import ToRam
from .feature_storage import Storage, to_fp8


class BankWriter:
    """One capture: `recorder` opens a level and closes the one before, `finish` closes the last."""

    def __init__(self, name: str, bank: FeatureBank, storage: Storage, source: torch.device):
        """name: the node's, for messages. source: the device that the network runs on."""
        self.name, self.bank, self.storage = name, bank, storage
        self._staged = ToRam() if storage.place == "ram" and source.type == "cuda" else None
        self._open: tuple[int, LevelRecorder] | None = None
        self._squared_error = self._squared = 0.0

    def recorder(self, level: int) -> LevelRecorder:
        """What the network call of this level is to hand its hidden states to."""
        self._close()
        residual = self._to_storage if self._staged is None else torch.clone
        recorder = LevelRecorder(self.bank, self._keep, residual)
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

    def _keep(self, n: torch.Tensor) -> torch.Tensor:
        if self.storage.place == "recompute":
            return n.new_empty(0)
        if self.storage.fp8:
            rounded = to_fp8(n)
            self._squared_error += (rounded.float() - n.float()).square().sum()
            self._squared += n.float().square().sum()
            return rounded if self._staged is not None else rounded.to(self.storage.device)
        return n.clone() if self._staged is not None else self._to_storage(n)

    def _to_storage(self, n: torch.Tensor) -> torch.Tensor:
        return n.to(self.storage.device, copy=True)

    def _close(self) -> None:
        if self._open is None:
            return
        level, recorder = self._open
        self._open = None
        recorder.check(self.name)
        kept = [] if self.storage.place == "recompute" else [(recorder.features, self.bank.features)]
        if recorder.residuals:
            kept.append((recorder.residuals, self.bank.residuals))
        if self._staged is None:
            for found, levels in kept:
                levels[level] = found
            return
        for found, levels in kept:
            self._staged.put(found, levels.setdefault(level, {}))
