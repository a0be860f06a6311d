"""LPIPS: how different two pictures look, by the features of a network that was trained to know things.

Zhang, Isola, Efros, Shechtman, Wang: "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
2018.
The weights are not part of the pack: a safetensors file with the tensors of the authors' package, version 0.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from .pictures import resize

LEAST = 64
"""Pixels of the shorter side: the size that the distance was fitted to people's answers at (section 2)."""

LARGEST = 1024**2
"""Pixels of a picture; a larger one is made smaller, for VGG16's first map has 256 bytes for each."""

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of colours in -1..1: the networks' own mean and spread."""

EPSILON = 1e-10


@dataclass(frozen=True)
class Trunk:
    """The convolutions of a network up to its last map that is read.

    stages: of each map the convolutions that lead to it: (number in torchvision's `features`, channels, kernel).
    pooled: which stages, from 0, begin with a maximum over `pool` pixels a side, in steps of 2.
    """

    stages: tuple[tuple[tuple[int, int, int], ...], ...]
    pool: int
    pooled: tuple[int, ...]

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names, as the authors' package has them, and shapes of all its tensors, the heads included."""
        shapes, width = {}, 3
        for k, stage in enumerate(self.stages):
            for number, channels, kernel in stage:
                shapes[f"net.slice{k + 1}.{number}.weight"] = (channels, width, kernel, kernel)
                shapes[f"net.slice{k + 1}.{number}.bias"] = (channels,)
                width = channels
            shapes[f"lin{k}.model.1.weight"] = (1, width, 1, 1)
        return shapes


TRUNKS = {
    "alex": Trunk((((0, 64, 11),), ((3, 192, 5),), ((6, 384, 3),), ((8, 256, 3),), ((10, 256, 3),)), 3, (1, 2)),
    "vgg": Trunk(
        (
            ((0, 64, 3), (2, 64, 3)),
            ((5, 128, 3), (7, 128, 3)),
            ((10, 256, 3), (12, 256, 3), (14, 256, 3)),
            ((17, 512, 3), (19, 512, 3), (21, 512, 3)),
            ((24, 512, 3), (26, 512, 3), (28, 512, 3)),
        ),
        2,
        (1, 2, 3, 4),
    ),
}
"""AlexNet and VGG16 as torchvision numbers them; the maps are relu1 to relu5, and relu1_2 to relu5_3."""

STRIDE_PADDING = {11: (4, 2), 5: (1, 2), 3: (1, 1)}
"""Of a convolution by its kernel."""


def read_lpips(path: Path, network: str) -> dict[str, torch.Tensor]:
    """The tensors of a network's LPIPS from a safetensors file, float32; others in the file are left alone.

    Args:
        network: of `TRUNKS`.
    Raises:
        ValueError: no safetensors file, or a tensor is missing, has another shape or holds NaN or infinite values.
    """
    advice = "Make the file again, as the help of Cell Style Fidelity says."
    try:
        with safe_open(path, "pt") as file:
            there, found = set(file.keys()), {}
            for name, shape in TRUNKS[network].tensors().items():
                # the package has its heads under two names, and a file keeps one of them
                stored = name if name in there else name.replace("lin", "lins.", 1)
                if stored not in there:
                    raise ValueError(f"{path.name} has no {name}, so it is not LPIPS's {network}. {advice}")
                is_shape = tuple(file.get_slice(stored).get_shape())
                if is_shape != shape:
                    raise ValueError(f"{name} in {path.name} has the shape {is_shape}, not {shape}. {advice}")
                found[name] = file.get_tensor(stored).float()
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path.name} cannot be read as a safetensors file ({error}). {advice}") from None
    for name, tensor in found.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} in {path.name} holds NaN or infinite values. {advice}")
    return found


def lpips_distance(maps_x: list, maps_y: list, heads: list, weights: torch.Tensor | None = None) -> float:
    """Equation 1 of Zhang et al. 2018: the features' squared distance, each of unit length, summed over the layers.

    Args:
        maps_x, maps_y: of each layer (1, C, h, w). heads: its weights (1, C, 1, 1), which are not negative.
        weights: (1, 1, H, W) in 0..1; each layer's mean is taken over them, at its size.
    Returns: 0 for equal maps.
    """
    total = 0.0
    for x, y, head in zip(maps_x, maps_y, heads, strict=True):
        x, y = (f / (f.square().sum(1, keepdim=True).sqrt() + EPSILON) for f in (x, y))
        apart = ((x - y).square() * head).sum(1, keepdim=True)
        if weights is None:
            total += apart.mean().item()
        else:
            # on the CPU: MPS pools to divisors of the size alone
            share = torch.nn.functional.interpolate(weights.cpu(), apart.shape[-2:], mode="area").to(apart)
            total += ((apart * share).sum() / share.sum()).item()
    return total


def bytes_needed(network: str, shape: tuple[int, int]) -> int:
    """About the memory of `Lpips` for pictures of a (height, width): its weights, and the first convolution's maps."""
    trunk = TRUNKS[network]
    weights = sum(np.prod(tensor) for tensor in trunk.tensors().values())
    _, channels, kernel = trunk.stages[0][0]
    maps = min(LARGEST, shape[0] * shape[1]) / STRIDE_PADDING[kernel][0] ** 2 * channels
    return int(4 * (weights + 3 * maps))


class Lpips:
    """A network, ready to compare pictures (height, width, 3) in 0..1."""

    def __init__(self, tensors: dict[str, torch.Tensor], network: str, device: torch.device | str = "cpu"):
        """tensors: see `read_lpips`; network: of `TRUNKS`."""
        self.network, self.trunk, self.device = network, TRUNKS[network], torch.device(device)
        self._tensors = {name: tensor.to(self.device) for name, tensor in tensors.items()}

    @property
    def heads(self) -> list[torch.Tensor]:
        return [self._tensors[f"lin{k}.model.1.weight"] for k in range(len(self.trunk.stages))]

    @torch.inference_mode()
    def maps(self, picture: np.ndarray) -> list[torch.Tensor]:
        """What each layer answers to a picture: (1, C, h, w), after its ReLU."""
        x = torch.from_numpy(np.ascontiguousarray(picture, np.float32)).to(self.device).permute(2, 0, 1)[None] * 2 - 1
        x = (x - x.new_tensor(SHIFT).view(1, 3, 1, 1)) / x.new_tensor(SCALE).view(1, 3, 1, 1)
        found = []
        for k, stage in enumerate(self.trunk.stages):
            x = torch.nn.functional.max_pool2d(x, self.trunk.pool, 2) if k in self.trunk.pooled else x
            for number, _, kernel in stage:
                weight, bias = (self._tensors[f"net.slice{k + 1}.{number}.{part}"] for part in ("weight", "bias"))
                stride, padding = STRIDE_PADDING[kernel]
                x = torch.nn.functional.conv2d(x, weight, bias, stride, padding).relu()
            found.append(x)
        return found

    @torch.inference_mode()
    def distance(self, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float | None:
        """LPIPS of two pictures of one size; 0 where they are the same, about 1 where nothing is alike.

        Args:
            weights: (height, width) in 0..1, where the difference counts.
        Returns: None where there is no `measured_size`.
        """
        size = measured_size(x.shape[:2])
        if size is None:
            return None
        x, y = resize(x, size), resize(y, size)
        if weights is not None:
            weights = resize(weights[..., None], size)[..., 0]
            weights = torch.from_numpy(weights.astype(np.float32))[None, None]
        return lpips_distance(self.maps(x), self.maps(y), self.heads, weights)


def measured_size(shape: tuple[int, int]) -> tuple[int, int] | None:
    """The (height, width) at which pictures of a shape are compared; None where the shorter side is below `LEAST`."""
    share = min(1.0, (LARGEST / (shape[0] * shape[1])) ** 0.5)
    size = tuple(round(side * share) for side in shape)
    return size if min(size) >= LEAST else None
