"""One network call for the sampled picture and for the latents whose features it needs.

Content and style ride along as further rows of the batch, so that a layer reads their hidden states n in passing and
none has to be kept. It holds where rows are all that a batch consists of; `nodes/recompute_features.py` sees to that.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping, Sequence

import torch

from ..features.feature_bank import FeatureBank
from ..features.layer_key import LayerKey
from .capture import layer_of

# where a prediction's `transformer_options` have its JointCall
JOINT = "cellstyle_joint_call"

# a prepared conditioning with one of these acts on a part of the picture or of the steps, or has a network of its own
_PARTS = {"area", "mask", "mask_strength", "strength", "timestep_start", "timestep_end", "default"}
_MORE_THAN_ROWS = _PARTS | {"control", "gligen", "hooks"}


class JointCall:
    """The rows of a batch: those that are sampled, then each bank's latents at its level.

    features: {id(bank): {layer: (b, tokens, channels)}}, filled for the layer under way and empty between layers.
    """

    def __init__(self, rows: int, banks: Sequence[tuple[FeatureBank, int]], conds: Mapping):
        """rows: of the sampled picture. banks: with their levels. conds: {name: what ComfyUI calls a COND} of all."""
        self.rows, self.banks, self.conds = rows, banks, conds
        # no plain dicts, of which ComfyUI gives each call a copy
        self.features: dict[int, UserDict[LayerKey, torch.Tensor]] = {id(bank): UserDict() for bank, _ in banks}

    def joined(self, conds: Sequence, x: torch.Tensor, timestep: torch.Tensor) -> tuple:
        """(conds, x, timestep) for ComfyUI's `calc_cond_batch`, with the banks' rows behind the `rows` of x."""
        x = torch.cat([x, *(bank.inputs[level].to(x) for bank, level in self.banks)])
        levels = [timestep.new_full((bank.batch,), bank.levels[level]) for bank, level in self.banks]
        conds = [group and [{**cond, "model_conds": self.conds} for cond in group] for group in conds]
        return conds, x, torch.cat([timestep, *levels])

    def around(self, patch: Callable, layers: frozenset[LayerKey]) -> Callable:
        """The `attn1_patch` that gives `patch` the sampled rows, and `features` of the others while it runs."""

        def joint_patch(n, context, value, extra_options):
            layer = layer_of(extra_options)
            if layer not in layers:
                return n, context, value
            own, seen = n[: self.rows], n[self.rows :]
            for (bank, _), part in zip(self.banks, seen.split([bank.batch for bank, _ in self.banks]), strict=True):
                self.features[id(bank)][layer] = part
            injected = patch(own, context[: self.rows], value[: self.rows], extra_options)
            for found in self.features.values():
                found.clear()
            return tuple(torch.cat([x, seen]) for x in injected)

        return joint_patch


def join_conds(own: Sequence[Mapping], others: Sequence[tuple[Sequence[Mapping], int]], rows: int) -> dict | None:
    """The conditionings of all rows as one, stacked as ComfyUI stacks those of a batch; None where they don't stack.

    Args:
        own: the sampled picture's prepared conditionings. others: (each bank's, its rows). rows: of the picture.
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
        if not all(one.can_concat(of_rows(name, conds, 1)) for conds, _ in each):
            return None
        mine, *more = (of_rows(name, conds, count) for conds, count in each)
        joined[name] = type(cond)(mine.concat(more))
    return joined
