"""What both trainings share: the learning rate's curve, averaged weights, checkpoints that are whole or absent."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch


def cosine(done: float, peak: float, floor: float, warm: float = 0.02) -> float:
    """Learning rate after the share `done` (0..1) of the time: a linear start, then half a cosine down to floor."""
    if done < warm:
        return peak * (0.02 + 0.98 * done / warm)
    phase = min(1.0, (done - warm) / (1 - warm))
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * phase))


class Ema:
    """Exponential moving average of a module's state; it starts fast, so that early averages are not the first draw."""

    def __init__(self, module: torch.nn.Module, decay: float):
        self.decay = decay
        self.count = 0
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module) -> None:
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        state = module.state_dict()
        torch._foreach_lerp_(list(self.values.values()), [state[name] for name in self.values], 1 - decay)

    def copy_to(self, module: torch.nn.Module) -> None:
        module.load_state_dict(self.values)


def save_atomically(state: dict[str, Any], path: Path) -> None:
    """torch.save to a side file, then rename: an interruption leaves the previous checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    os.replace(partial, path)
