"""One network call for the sampled picture and for the latents whose features it needs.

Content and style ride along as further rows of the batch, so that a layer reads their features in passing and none has
to be kept. It needs a network call that other nodes do not look into; `engine/recompute.py` checks that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ..features.feature_bank import FeatureBank

# a prepared conditioning with one of these acts on a part of the picture or of the steps, or has a network of its own
_PARTS = {"area", "mask", "mask_strength", "strength", "timestep_start", "timestep_end", "default"}
_MORE_THAN_ROWS = _PARTS | {"control", "gligen", "hooks"}


@dataclass(frozen=True, eq=False)
class JointCall:
    """The rows of a batch: those that are sampled, then each bank's latents at its level.

    rows: of the sampled picture. banks: with their levels. conds: {name: what ComfyUI calls a COND} of all rows.
    """

    rows: int
    banks: Sequence[tuple[FeatureBank, int]]
    conds: Mapping

    def joined(self, conds: Sequence, x: torch.Tensor, timestep: torch.Tensor) -> tuple:
        """(conds, x, timestep) for ComfyUI's `calc_cond_batch`, with the banks' rows behind the `rows` of x."""
        x = torch.cat([x, *(bank.inputs[level].to(x) for bank, level in self.banks)])
        levels = [timestep.new_full((bank.batch,), bank.levels[level]) for bank, level in self.banks]
        conds = [group and [{**cond, "model_conds": self.conds} for cond in group] for group in conds]
        return conds, x, torch.cat([timestep, *levels])

    def split(self, seen: torch.Tensor) -> dict[FeatureBank, torch.Tensor]:
        """Each bank's part of what lies behind the sampled rows, (rows of all banks, ...)."""
        parts = seen.split([bank.batch for bank, _ in self.banks])
        return {bank: part for (bank, _), part in zip(self.banks, parts, strict=True)}


def join_conds(
    own: Sequence[Mapping], others: Sequence[tuple[Sequence[Mapping], int]], rows: int, padded_texts: bool = True
) -> dict | None:
    """The conditionings of all rows as one, stacked as ComfyUI stacks those of a batch; None where they don't stack.

    Args:
        own: the sampled picture's prepared conditionings. others: (each bank's, its rows). rows: of the picture.
        padded_texts: whether texts of different lengths may be filled up to one.
    """
    groups = [(own, rows), *others]
    if any(len(group) != 1 or _MORE_THAN_ROWS & group[0].keys() for group, _ in groups):
        return None
    each = [(group[0]["model_conds"], count) for group, count in groups]
    first = each[0][0]
    if any(conds.keys() != first.keys() for conds, _ in each):
        return None

    def of_rows(name: str, conds: Mapping, count: int):
        return conds[name].process_cond(batch_size=count, area=None)

    joined = {}
    for name, cond in first.items():
        one = of_rows(name, first, 1)
        ones = [of_rows(name, conds, 1) for conds, _ in each]
        if not all(one.can_concat(other) for other in ones):
            return None
        if not padded_texts and len({getattr(other.cond, "shape", None) for other in ones}) > 1:
            return None
        mine, *more = (of_rows(name, conds, count) for conds, count in each)
        joined[name] = type(cond)(mine.concat(more))
    return joined
