"""Batches that teach attention to read a look: clean references, and queries of the same picture in another look.

A part of them teaches that flat stays flat: a picture with an empty field takes another's colours, as the
noise-preserving start gives them, and where it is empty it stays so, whatever texture the reference has. Its noise is
often as inversion leaves it in an empty field.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

ALIGNED = 0.85  # share of the swapped looks that keep the crop's mean: AdaIN moves that one, attention the rest
WHOLE = 0.3  # share of the swapped looks that are not diluted
TEXTURED = 0.6  # share of the swapped looks that carry another picture's texture
FLAT_READS = 0.2  # share of the pairs whose query is an empty field and whose reference is another picture
DECIDES = 400  # the timestep from which those pairs have theirs: what is ground and what is painted is settled early
FLAT_OWN = 0.1  # share of the pairs that are one picture with an empty field, in another's colours
UNEVEN = 0.7  # share of those whose noise is uneven
FLAT = 0.15  # a place is flat where no latent around leaves the mean of its neighbours by more (their spread is 1)


@dataclass(frozen=True)
class Batch:
    """shown: what the network sees before noise; target: what it should find; both (2 * count, 16, size, size).

    t (2 * count,): noise levels 0..999. The first half are references, the second half queries that read theirs.
    counts (2 * count, 1, size, size): 1 where the target is known, else 0. noise: of about unit spread, as shown.
    """

    shown: torch.Tensor
    target: torch.Tensor
    t: torch.Tensor
    counts: torch.Tensor
    noise: torch.Tensor


def mean_of(x: torch.Tensor) -> torch.Tensor:
    return x.mean(dim=(-2, -1), keepdim=True)


def flat_places(x: torch.Tensor) -> torch.Tensor:
    """(N, 1, H, W) bool: where latents (N, C, H, W) hardly leave the mean of their neighbours, nor do those around."""
    functional = torch.nn.functional
    around = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    moved = (x - around).square().mean(1, keepdim=True).sqrt()
    return functional.max_pool2d(moved, 3, 1, 1) < FLAT


def uneven(noise: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """White noise (N, C, H, W) as inversion leaves it in an empty field, where the way to noise is no exact one.

    Measured on the single cell: spreads of .5 to 1.2 by channel, and neighbours that correlate by up to .5. A network
    that has seen white noise alone takes that for structure and draws worms.
    """
    functional = torch.nn.functional
    spread, share = torch.rand((2, *noise.shape[:2], 1, 1), generator=generator)
    share = 0.8 * share
    alike = 3 * functional.avg_pool2d(functional.pad(noise, (1, 1, 1, 1), mode="reflect"), 3, 1)
    return (0.45 + 0.75 * spread) * ((1 - share**2).sqrt() * noise + share * alike)


class Batches:
    """Random crops of the cached latents (train_latents.py), normalised."""

    def __init__(self, cached: dict, sigmas: torch.Tensor, look: float, generator: torch.Generator):
        """look: share of the queries that are shown in another look, 0..1; sigmas (1000,)."""
        self.mean, self.std = (cached[name].view(-1, 1, 1) for name in ("mean", "std"))
        self.own, self.looks, self.soft = (cached[name] for name in ("latents", "looks", "soft"))
        self.sigmas, self.look, self.generator = sigmas, look, generator
        normal = [(part.float() - self.mean) / self.std for part in self.own.split(256)]
        self.means = torch.cat([mean_of(part) for part in normal])
        self.spreads = torch.cat([part.std(dim=(-2, -1), keepdim=True) for part in normal])
        shares = torch.cat([flat_places(part).float().mean(dim=(1, 2, 3)) for part in normal])
        self.empty = (shares > 0.3).nonzero().flatten()

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
        """count references and count queries of the same pictures at the same levels, some of them flat."""
        chosen = torch.randint(len(self.own), (count,), generator=self.generator).tolist()
        places = self.corners(count, size)
        reference = self.crops(self.own, chosen, self.corners(count, size), size)
        target = self.crops(self.own, chosen, places, size)
        t = torch.randint(1000, (count,), generator=self.generator)
        dice = self.chance(count)
        if self.look > 0 and len(self.empty):
            t = torch.where(dice.flatten() < FLAT_READS, DECIDES + t * (1000 - DECIDES) // 1000, t)
        shown, counts = target, torch.ones(count, 1, size, size)
        noise = torch.randn((2 * count, *target.shape[1:]), generator=self.generator)
        if self.look > 0:
            other = self._other_look(target, self.crops(self.looks, chosen, places, size), size)
            shown = torch.lerp(target, other, self._share(self.sigmas[t].view(-1, 1, 1, 1)))
            if len(self.empty):
                reference, shown, target, counts, is_flat = self._flat(chosen, dice, reference, shown, target)
                is_flat = is_flat & (self.chance(2 * count) < UNEVEN)
                noise = torch.where(is_flat, uneven(noise, self.generator), noise)
        return Batch(
            torch.cat([reference, shown]),
            torch.cat([reference, target]),
            t.repeat(2),
            torch.cat([torch.ones_like(counts), counts]),
            noise,
        )

    def _flat(self, chosen: list[int], dice: torch.Tensor, reference, shown, target) -> tuple[torch.Tensor, ...]:
        """Some pairs become pictures with an empty field, in the chosen pictures' colours.

        Returns (reference, shown, target, counts, which are flat now (2 * count, 1, 1, 1)). Where the chosen picture
        stays the reference, only the empty places of the query count: what a styled cell looks like nobody knows, but
        its surroundings are one tone.
        """
        count, size = len(chosen), target.shape[-1]
        which = torch.randint(len(self.empty), (count,), generator=self.generator)
        pictures = self.empty[which].tolist()

        def recoloured(of: torch.Tensor) -> torch.Tensor:
            """As noise-preserving AdaIN does: mean of the chosen picture, its spread where that is less."""
            scale = (self.spreads[chosen] / self.spreads[pictures]).clamp(max=1)
            return (of - self.means[pictures]) * scale + self.means[chosen]

        query, own = (self.crops(self.own, pictures, self.corners(count, size), size) for _ in range(2))
        reads, is_own = dice < FLAT_READS, (dice >= FLAT_READS) & (dice < FLAT_READS + FLAT_OWN)
        flat, either = recoloured(query), reads | is_own
        return (
            torch.where(is_own, recoloured(own), reference),
            torch.where(either, flat, shown),
            torch.where(either, flat, target),
            torch.where(reads, flat_places(query), True).float(),
            torch.cat([is_own, either]),
        )

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
        """How much of the other look a query shows, 0..1; at most sigma squared.

        What is taken away at low noise has to be small beside the noise itself, or the way from picture to noise bends
        there and inversion does not come back.
        """
        count = len(sigma)
        amount = torch.where(self.chance(count) < WHOLE, 1.0, self.chance(count))
        return amount * sigma.clamp(max=1).square() * (self.chance(count) < self.look)
