"""Features computed beside the sampling, for banks that keep only the latents that the network saw.

Before a network call of the sampler, one more pass of the same model over those latents, at the level that the call
needs, gives the features; they live as long as that call. Banks of one size and one conditioning share a pass.
"""

from __future__ import annotations

import comfy.samplers
import torch

from ..attention_patch.capture import CAPTURE, LevelRecorder
from ..attention_patch.feature_bank import FeatureBank
from ..attention_patch.injection import FRESH, StyleInjection


class Recomputation:
    """A PREDICT_NOISE wrapper for one model clone that carries `injection`, with `cleanup` for ON_CLEANUP.

    Source: the trajectory is kept as plug-and-play's authors keep theirs (Tumanyan et al. 2023, section 4.2); the
    features are computed again instead of stored.
    """

    def __init__(self, injection: StyleInjection):
        self.injection = injection
        self._conds: dict[int, list] = {}  # of the run under way, by id of its CONDITIONING

    def wrapper(self, executor, x, timestep, model_options=None, seed=None):
        """Around one prediction of the guider, whatever its conditionings are."""
        model_options = model_options or {}
        needed = [pair for pair in self.injection.needed(float(timestep[0])) if not pair[0].features]
        if needed:
            fresh = {}
            for group in _groups(needed):
                fresh.update(self._features(executor.class_obj, group, model_options, x.device, seed))
            options = model_options.get("transformer_options", {})
            fresh = {**options.get(FRESH, {}), **fresh}  # another injection on the same model has its own
            model_options = {**model_options, "transformer_options": {**options, FRESH: fresh}}
        return executor(x, timestep, model_options, seed)

    def cleanup(self, *_) -> None:
        """Forgets what was prepared for the run that has ended."""
        self._conds.clear()

    def _features(self, guider, group: list[tuple[FeatureBank, int]], model_options, device, seed) -> dict:
        """{id(bank): {layer: features}} of banks whose latents go through the network together."""
        first, level = group[0]
        seen = torch.cat([bank.inputs[level] for bank, level in group]).to(device)
        recorder = LevelRecorder(first)
        options = {**model_options.get("transformer_options", {}), CAPTURE: recorder}
        comfy.samplers.calc_cond_batch(
            guider.inner_model,
            [self._prepared(guider.inner_model, first.conditioning, seen, seed)],
            seen,
            seen.new_full((len(seen),), first.levels[level]),
            {**model_options, "transformer_options": options},
        )
        recorder.check("recompute")
        split = {layer: n.split([bank.batch for bank, _ in group]) for layer, n in recorder.features.items()}
        return {id(bank): {layer: parts[i] for layer, parts in split.items()} for i, (bank, _) in enumerate(group)}

    def _prepared(self, model, conditioning: list, seen: torch.Tensor, seed) -> list:
        if id(conditioning) not in self._conds:
            conds = {"positive": comfy.sampler_helpers.convert_cond(conditioning)}
            conds = comfy.samplers.process_conds(model, seen, conds, seen.device, seed=seed)
            self._conds[id(conditioning)] = conds["positive"]
        return self._conds[id(conditioning)]


def _groups(needed: list[tuple[FeatureBank, int]]) -> list[list[tuple[FeatureBank, int]]]:
    """Banks that may share a pass: latents of one size, one level, one plain conditioning that is the same."""
    groups: list[list[tuple[FeatureBank, int]]] = []
    for bank, level in needed:
        for group in groups:
            if _fit(group[0], (bank, level)):
                group.append((bank, level))
                break
        else:
            groups.append([(bank, level)])
    return groups


def _fit(one: tuple[FeatureBank, int], other: tuple[FeatureBank, int]) -> bool:
    (a, level_a), (b, level_b) = one, other
    return (
        a.inputs[level_a].shape[1:] == b.inputs[level_b].shape[1:]
        and a.levels[level_a] == b.levels[level_b]
        and a.layers == b.layers
        and _same_conditioning(a.conditioning, b.conditioning)
    )


def _same_conditioning(a: list, b: list) -> bool:
    if len(a) != 1 or len(b) != 1 or a[0][0].shape[0] != 1:
        return False
    (cross_a, extra_a), (cross_b, extra_b) = a[0], b[0]
    if extra_a.keys() != extra_b.keys() or not _equal(cross_a, cross_b):
        return False
    return all(_equal(value, extra_b[key]) for key, value in extra_a.items())


def _equal(a, b) -> bool:
    if torch.is_tensor(a) and torch.is_tensor(b):
        return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)
    return type(a) is type(b) and not torch.is_tensor(a) and bool(a == b)
