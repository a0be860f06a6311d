"""Features computed beside the sampling, for banks that keep only the latents that the network saw.

Where the sampler's own network call is a plain batch with room for them, latents of its size ride along in it
(`JointCall`). Otherwise the model runs once more before that call, over those latents at the level that the call
needs; the features are kept until the call is over. Banks of one size and one conditioning share a pass,
where memory allows.
"""

from __future__ import annotations

import math

import comfy.model_management
import comfy.samplers
import torch
from comfy.patcher_extension import WrappersMP

from ..attention_patch.call_state import model_options_with, state_of_model
from ..attention_patch.capture import CAPTURE
from ..attention_patch.joint_call import JointCall, join_conds
from ..attention_patch.model_patch import StyleInjection
from ..attention_patch.patch_order import compile_key
from ..features.feature_bank import FeatureBank, LevelFeatures
from ..features.level_recorder import BESIDE_SAMPLING, LevelRecorder
from ..features.wire_values import StyleMix

# wrapper kinds that receive the batch of a network call: if another node uses one, no rows ride along
_WRAPPERS = (WrappersMP.PREDICT_NOISE, WrappersMP.CALC_COND_BATCH, WrappersMP.APPLY_MODEL, WrappersMP.DIFFUSION_MODEL)
# model options of other nodes that do not look into the batch
_OUTSIDE = ("transformer_options", "to_load_options", "denoise_mask_function", "sampler_post_cfg_function")
# and those in `transformer_options` that do
_PATCHES = ("patches", "patches_replace", "optimized_attention_override")


class Recomputation:
    """A PREDICT_NOISE wrapper for one model clone that carries `injection`, with `cleanup` for ON_CLEANUP.

    Source: the trajectory is kept as plug-and-play's authors keep theirs (Tumanyan et al. 2023, section 4.2); the
    features are computed again instead of stored.
    """

    def __init__(self, injection: StyleInjection):
        self.injection = injection
        self._conds: dict[FeatureBank, list] = {}  # the bank's conditioning as prepared for the run under way

    def wrapper(self, executor, x, timestep, model_options=None, seed=None):
        """Around one prediction of the guider, whatever its conditionings are."""
        model_options = model_options or {}
        needed = [(bank, level) for bank, level in self.injection.needed(float(timestep[0])) if not bank.blocks]
        if needed:
            _check_no_step_cache(model_options)
            fresh = {**state_of_model(model_options).fresh}  # another injection on the same model has its own
            joint = self._joint(executor.class_obj, needed, x, model_options, seed)
            if joint is not None:
                needed = [pair for pair in needed if pair not in joint.banks]
            for group in _groups(needed, self.injection.architecture.roles_record_alike):
                for part in _parts(group, executor.class_obj.inner_model, x.device):
                    fresh.update(self._features(executor.class_obj, part, model_options, x.device, seed))
            model_options = model_options_with(model_options, joint=joint, fresh=fresh)
        return executor(x, timestep, model_options, seed)

    def cleanup(self, *_) -> None:
        """Forgets what was prepared for the run that has ended."""
        self._conds.clear()

    def _joint(self, guider, needed, x, model_options, seed) -> JointCall | None:
        """The call that takes along the latents of x's size; None if none fit or another node inspects the batch."""
        fitting = [pair for pair in needed if pair[0].inputs[pair[1]].shape[1:] == x.shape[1:]]
        if not fitting or not self._is_plain(guider, model_options):
            return None
        if self.injection.style.bank.size != tuple(x.shape[-2:]):  # one batch has one number of keys
            return None
        model, rows = guider.inner_model, len(x) + sum(bank.batch for bank, _ in fitting)
        if not _has_room(model, rows, x.shape, x.device):
            return None
        others = [(self._prepared(model, bank, x, seed), bank.batch) for bank, _ in fitting]
        padded = self.injection.architecture.padded_texts_join
        conds = join_conds(guider.conds["positive"], others, len(x), padded)
        return conds and JointCall(len(x), fitting, conds)

    def _is_plain(self, guider, model_options) -> bool:
        """Whether the sampler's next network call is one batch of rows that nothing but this injection looks into."""
        if type(guider).predict_noise is not comfy.samplers.CFGGuider.predict_noise:
            return False
        if guider.conds.get("negative") and not math.isclose(guider.cfg, 1.0):
            return False
        if any(value for name, value in model_options.items() if name not in _OUTSIDE):
            return False
        if any(each != self.injection.post_cfg for each in model_options.get("sampler_post_cfg_function", ())):
            return False
        options = model_options.get("transformer_options", {})
        ours = {self.injection.slot, f"{self.injection.slot}_picture", CAPTURE, compile_key()}
        return (
            not any(options.get(name) for name in _PATCHES)
            and all(options.get("wrappers", {}).get(kind, {}).keys() <= ours for kind in _WRAPPERS)
            and not isinstance(self.injection.style, StyleMix)
        )

    def _features(
        self, guider, group: list[tuple[FeatureBank, int]], model_options, device, seed
    ) -> dict[FeatureBank, LevelFeatures]:
        """{bank: its features} of banks whose latents go through the network together."""
        first, level = group[0]
        seen = torch.cat([bank.inputs[level] for bank, level in group]).to(device)
        recorder = LevelRecorder(first)
        comfy.samplers.calc_cond_batch(
            guider.inner_model,
            [self._prepared(guider.inner_model, first, seen, seed)],
            seen,
            seen.new_full((len(seen),), first.levels[level]),
            model_options_with(model_options, recorder=recorder),
        )
        recorder.check(BESIDE_SAMPLING)
        split = {layer: found.split([bank.batch for bank, _ in group]) for layer, found in recorder.features.items()}
        return {
            bank: LevelFeatures({layer: parts[i] for layer, parts in split.items()}, recorder.grids)
            for i, (bank, _) in enumerate(group)
        }

    def _prepared(self, model, bank: FeatureBank, seen: torch.Tensor, seed) -> list:
        if bank not in self._conds:
            conds = {"positive": comfy.sampler_helpers.convert_cond(bank.conditioning)}
            conds = comfy.samplers.process_conds(model, seen, conds, seen.device, seed=seed)
            self._conds[bank] = conds["positive"]
        return self._conds[bank]


def _check_no_step_cache(model_options: dict) -> None:
    """Raises ValueError where a step cache is on the model: it would take the pass that only computes features for one
    of the sampler's own, and answer either from the other."""
    wrappers = model_options.get("transformer_options", {}).get("wrappers", {})
    names = [str(key) for group in wrappers.values() for key, found in group.items() if found]
    function = model_options.get("model_function_wrapper")
    names.append(f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}")
    if any("cache" in name.lower() for name in names):
        raise ValueError(
            "a step cache (EasyCache, LazyCache, TeaCache and the like) is on the model, and features that are "
            "recomputed while sampling do not go with it. Set storage to ram in DDIM Invert and Style K/V Capture, or "
            "remove the cache."
        )


def _has_room(model, rows: int, shape: torch.Size, device: torch.device) -> bool:
    """Whether a batch of that many latents (..., C, H, W) fits, as ComfyUI decides it for conditionings."""
    needed = model.memory_required([rows, *shape[1:]])
    return needed * 1.5 < comfy.model_management.get_free_memory(device)


def _parts(group: list[tuple[FeatureBank, int]], model, device) -> list[list[tuple[FeatureBank, int]]]:
    """The group in one pass, or each bank in its own where memory is too short for that."""
    rows, shape = sum(bank.batch for bank, _ in group), group[0][0].clean.shape
    if len(group) == 1 or _has_room(model, rows, shape, device):
        return [group]
    return [[pair] for pair in group]


def _groups(needed: list[tuple[FeatureBank, int]], roles_record_alike: bool) -> list[list[tuple[FeatureBank, int]]]:
    """Banks that may share a pass: latents of one size, one level, one plain conditioning that is the same."""
    groups: list[list[tuple[FeatureBank, int]]] = []
    for bank, level in needed:
        for group in groups:
            if _fit(group[0], (bank, level)) and (roles_record_alike or group[0][0].role == bank.role):
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
