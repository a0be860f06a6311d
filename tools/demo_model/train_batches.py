"""Batches that teach attention to read a look: clean references, and queries of the same picture in another look."""

from __future__ import annotations

from dataclasses import dataclass

import torch

ALIGNED = 0.85  # share of the swapped looks that keep the crop's mean: AdaIN moves that one, attention the rest
WHOLE = 0.3  # share of the swapped looks that are not diluted
TEXTURED = 0.6  # share of the swapped looks that carry another picture's texture


@dataclass(frozen=True)
class Batch:
    """shown: what the network sees before noise; target: what it should find; both (2 * count, 16, size, size).

    t (2 * count,): noise levels 0..999. The first half are references, the second half queries that read theirs.
    """

    shown: torch.Tensor
    target: torch.Tensor
    t: torch.Tensor


def mean_of(x: torch.Tensor) -> torch.Tensor:
    return x.mean(dim=(-2, -1), keepdim=True)


class Batches:
    """Random crops of the cached latents (train_latents.py), normalised."""

    def __init__(self, cached: dict, sigmas: torch.Tensor, look: float, generator: torch.Generator):
        """look: share of the queries that are shown in another look, 0..1; sigmas (1000,)."""
        self.mean, self.std = (cached[name].view(-1, 1, 1) for name in ("mean", "std"))
        self.own, self.looks, self.soft = (cached[name] for name in ("latents", "looks", "soft"))
        self.sigmas, self.look, self.generator = sigmas, look, generator

    def chance(self, count: int) -> torch.Tensor:
        return torch.rand((count, 1, 1, 1), generator=self.generator)

    def corners(self, count: int, size: int) -> list[list[int]]:
        room = self.own.shape[-1] - size + 1
        return torch.randint(room, (count, 2), generator=self.generator).tolist()

    def crops(self, of: torch.Tensor, chosen: list[int], corners: list[list[int]], size: int) -> torch.Tensor:
        """(count, 16, size, size) float32, of about unit spread."""
        cut = [of[k, :, y : y + size, x : x + size] for k, (y, x) in zip(chosen, corners, strict=True)]
        return (torch.stack(cut).float() - self.mean) / self.std

    def draw(self, count: int, size: int) -> Batch:
        """count references and count queries of the same pictures at the same levels."""
        chosen = torch.randint(len(self.own), (count,), generator=self.generator).tolist()
        places = self.corners(count, size)
        reference = self.crops(self.own, chosen, self.corners(count, size), size)
        target = self.crops(self.own, chosen, places, size)
        t = torch.randint(1000, (count,), generator=self.generator)
        shown = target
        if self.look > 0:
            other = self._other_look(target, self.crops(self.looks, chosen, places, size), size)
            shown = torch.lerp(target, other, self._share(self.sigmas[t].view(-1, 1, 1, 1)))
        return Batch(torch.cat([reference, shown]), torch.cat([reference, target]), t.repeat(2))

    def _other_look(self, target: torch.Tensor, other: torch.Tensor, size: int) -> torch.Tensor:
        """The look, mostly with a third picture's texture on it, mostly moved to the target's mean."""
        count = len(target)
        third = torch.randint(len(self.own), (count,), generator=self.generator).tolist()
        places = self.corners(count, size)
        texture = self.crops(self.own, third, places, size) - self.crops(self.soft, third, places, size)
        other = other + texture * self.chance(count) * (self.chance(count) < TEXTURED)
        aligned = other - mean_of(other) + mean_of(target)
        return torch.where(self.chance(count) < ALIGNED, aligned, other)

    def _share(self, sigma: torch.Tensor) -> torch.Tensor:
        """How much of the other look a query shows, 0..1; at most sigma: below, it could not be undone."""
        count = len(sigma)
        amount = torch.where(self.chance(count) < WHOLE, 1.0, self.chance(count))
        return amount * sigma.clamp(max=1) * (self.chance(count) < self.look)
