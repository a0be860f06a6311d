"""A small classifier of the generator's families, to judge unconditional samples with.

Softmax regression on hand-made features (colours, gradients, local spectra), trained on real pictures of the families.
It names a family for any picture: a high confidence says "nearer to this family than to others", not "looks right".
"""

from __future__ import annotations

import numpy as np
import torch

CONFIDENT = 0.8


def features(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) in 0..1 -> one vector: colour moments, histogram of luminance, band energies and their directions."""
    from scipy.ndimage import gaussian_filter

    grey = picture @ np.array([0.299, 0.587, 0.114])
    pixels = picture.reshape(-1, 3)
    parts = [pixels.mean(0), pixels.std(0), np.cov(pixels.T)[np.triu_indices(3, 1)] * 10]
    parts.append(np.histogram(grey, 8, (0, 1))[0] / grey.size)
    for sigma in (0.5, 1, 2, 4, 8):
        band = gaussian_filter(grey, sigma) - gaussian_filter(grey, 2 * sigma)
        dy, dx = np.gradient(band)
        strength, angle = np.hypot(dx, dy), np.arctan2(dy, dx) % np.pi
        directions = np.histogram(angle, 6, (0, np.pi), weights=strength)[0] / max(strength.sum(), 1e-9)
        skew = (band**3).mean() / max((band**2).mean() ** 1.5, 1e-9)
        kurtosis = (band**4).mean() / max((band**2).mean() ** 2, 1e-9)
        parts += [[np.log(band.std() + 1e-4), skew, np.log(kurtosis)], np.sort(directions)]
    return np.concatenate(parts)


class FamilyClassifier:
    """Trained at once on pictures (N, H, W, 3) uint8 and their families' names."""

    def __init__(self, pictures: np.ndarray, names: np.ndarray, seed: int = 0):
        self.names = sorted({str(name) for name in names})
        table = np.stack([features(picture / 255) for picture in pictures])
        self.mean, self.std = table.mean(0), table.std(0) + 1e-6
        x, y = self._table(table), torch.tensor([self.names.index(str(name)) for name in names])
        torch.manual_seed(seed)
        with torch.inference_mode(False), torch.enable_grad():
            x, y = x.clone(), y.clone()
            self.layer = torch.nn.Linear(x.shape[1], len(self.names))
            optimizer = torch.optim.AdamW(self.layer.parameters(), lr=0.02, weight_decay=0.05)
            for _ in range(400):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(self.layer(x), y).backward()
                optimizer.step()

    def _table(self, table: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((table - self.mean) / self.std).float()

    @torch.no_grad()
    def __call__(self, pictures: list[np.ndarray]) -> tuple[list[str], np.ndarray]:
        """(family names, confidences in 0..1) of pictures (H, W, 3) in 0..1."""
        chances = self.layer(self._table(np.stack([features(p) for p in pictures]))).softmax(dim=1)
        best = chances.max(dim=1)
        return [self.names[i] for i in best.indices.tolist()], best.values.numpy()
