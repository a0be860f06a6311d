"""The injection as a patch that a cloned ModelPatcher carries."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from comfy.patcher_extension import WrappersMP

from ..equations.query_preservation import gamma_at
from ..equations.residual_features import mix_residual
from ..equations.step_adain import step_adain
from ..features.feature_bank import ContentQuery, FeatureBank, StyleKV, StyleMix
from ..features.host_copies import ToDevice
from .call_patch import InjectionCall
from .capture import CAPTURE
from .joint_call import JOINT, JointCall
from .patch_order import uncompiled, with_checked_replacers, with_patches
from .picture_area import AREAS, PICTURE, areas_by_uuid, areas_of_call
from .sigma_dials import InjectionSettings

# where a call's `transformer_options` have features that are not stored: {id(bank): {layer: (batch, tokens, channels)}}
FRESH = "cellstyle_fresh_features"
# and the layers that an earlier injection on the same model has taken in this call
_TAKEN = "cellstyle_taken_layers"

_slots = itertools.count()


class StyleInjection:
    """Style injection for one model clone: wrappers that look the level up once a call and put its InjectionCall on
    it. A call changes nothing in it but the copies made ahead; `cleanup` drops those."""

    def __init__(self, style: StyleKV | StyleMix, content: ContentQuery | None, settings: InjectionSettings):
        self.style, self.content, self.settings = style, content.bank if content else None, settings
        self.slot = f"cellstyle_injection_{next(_slots)}"
        self._copies: ToDevice | None = None

    def prediction_wrapper(self, executor, x, timestep, model_options=None, seed=None):
        """A PREDICT_NOISE wrapper: notes the size of the picture, from which calls on parts of it are told apart."""
        model_options = model_options or {}
        options = {**model_options.get("transformer_options", {}), PICTURE: tuple(x.shape[-2:])}
        return executor(x, timestep, {**model_options, "transformer_options": options}, seed)

    def conditioning_wrapper(self, executor, model, conds, x_in, timestep, model_options):
        """A CALC_COND_BATCH wrapper: says what of the picture each conditioning sees; its calls run uncompiled."""
        options = uncompiled(model_options.get("transformer_options", {}))
        options[AREAS] = areas_by_uuid(conds, x_in.shape, options.get(PICTURE))
        model_options, rows = {**model_options, "transformer_options": options}, len(x_in)
        joint: JointCall | None = options.get(JOINT)
        if joint is not None:
            conds, x_in, timestep = joint.joined(conds, x_in, timestep)
        return [part[:rows] for part in executor(model, conds, x_in, timestep, model_options)]

    def wrapper(
        self, executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs
    ):
        """An APPLY_MODEL wrapper: puts this call's patches on it; outside the injection's range it passes unchanged."""
        transformer_options = transformer_options or {}
        if CAPTURE in transformer_options:  # a pass that only reads features
            return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)
        sigma = float(t[0])  # the one time a call that the host waits for the device
        joint: JointCall | None = transformer_options.get(JOINT)
        call = self._call(sigma, x if joint is None else x[: joint.rows], transformer_options)
        if call is not None:
            transformer_options = self._with_call(transformer_options, call)
        result = executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)
        if self._copies is not None:  # the device is busy with this call: time for the next one's features
            for bank, at in self.needed(sigma):
                if at + 1 in bank.features:
                    self._copies.ahead(bank.features[at + 1])
        return result

    def needed(self, sigma: float) -> list[tuple[FeatureBank, int]]:
        """Banks and levels whose features a call at this sigma injects, each once."""
        styles, at, _ = self._used(sigma)
        found = {id(style.bank): (style.bank, level) for style, level in styles}
        if at is not None:
            found.setdefault(id(self.content), (self.content, at))
        return list(found.values())

    def cleanup(self, *_) -> None:
        """Drops what was copied ahead; for the end of a run, however it ended."""
        self._copies = None

    def residual_patch(self, layer, x, emb, context, transformer_options, *_):
        """ComfyUI's `forward_timestep_embed_patch` for ResBlock: part of the content's residual features."""
        h = layer(x, emb)
        call: InjectionCall | None = transformer_options.get(self.slot)
        content = None if call is None else call.residual(transformer_options["block"], tuple(h.shape[-2:]), h)
        return h if content is None else mix_residual(h, content, self.settings.feature_strength)

    def post_cfg(self, args):
        """ComfyUI's `sampler_post_cfg_function`: per-step AdaIN on the denoised prediction."""
        sigma = float(args["sigma"][0])
        if not _within(sigma, self.settings.adain_sigmas):
            return args["denoised"]
        parts = self.style.parts
        styles, weights, masks = zip(*((part.bank.clean, part.weight, part.mask) for part in parts), strict=True)
        return step_adain(args["denoised"], styles, weights, masks, self.settings.adain_rate)

    def _used(self, sigma: float) -> tuple[list[tuple[StyleKV, int]], int | None, float]:
        """(styles with their levels, the content's level, gamma) of a call at this sigma; nothing out of range."""
        settings = self.settings
        if not settings.sigma_end <= sigma <= settings.sigma_start:
            return [], None, 0.0
        styles = [(style, style.bank.level_of(sigma)) for style in self.style.parts]
        styles = [(style, at) for style, at in styles if at is not None]
        if not styles:
            return [], None, 0.0
        first, at = styles[0]
        progress = at / max(1, len(first.bank.levels) - 1)
        gamma = gamma_at(progress, settings.gamma, settings.gamma_end, settings.gamma_curve)
        kept = gamma and self.content is not None and _within(sigma, settings.query_sigmas)
        content = self.content.level_of(sigma) if kept else None
        return styles, content, gamma if content is not None else 0.0

    def _call(self, sigma: float, x: torch.Tensor, transformer_options: Mapping) -> InjectionCall | None:
        chunks = len(transformer_options.get("cond_or_uncond", (0,)))
        chunk = x.shape[0] // chunks
        residuals = self._residuals(sigma, chunk)
        used, at, gamma = self._used(sigma)
        if not used and not residuals:
            return None
        for style, _ in used:
            check_pairing("style", style.bank, chunk)
        fresh, queries = transformer_options.get(FRESH, {}), {}
        if at is not None:
            check_pairing("content", self.content, chunk)
            queries = self._features(self.content, at, fresh, x.device)
        taken = transformer_options.get(_TAKEN, frozenset())
        layers = frozenset(self.settings.layers) - taken if used else frozenset()
        styles = [(style, self._features(style.bank, level, fresh, x.device)) for style, level in used]
        areas = areas_of_call(transformer_options, x.shape, chunks)
        return InjectionCall(
            self.style, self.content, self.settings, layers, styles, queries, gamma, chunk, areas, residuals
        )

    def _with_call(self, transformer_options: Mapping, call: InjectionCall) -> dict:
        options = {**transformer_options, self.slot: call}
        if not call.layers:
            return options
        options = with_checked_replacers(options, call.layers)
        options[_TAKEN] = options.get(_TAKEN, frozenset()) | call.layers
        if isinstance(self.style, StyleMix) or self.settings.limited_layers & call.layers:
            options["optimized_attention_override"] = call.attention_override(
                options.get("optimized_attention_override")
            )
        joint: JointCall | None = options.get(JOINT)
        first = call.patch if joint is None else joint.around(call.patch, call.layers)
        return with_patches(options, first=first, last=call.fit_patch, output=call.output_patch)

    def _features(self, bank: FeatureBank, at: int, fresh: Mapping, device: torch.device) -> dict:
        """{layer: features} of a level: stored (copied to a CUDA device from RAM), or computed for this call."""
        stored = bank.features.get(at)
        if stored is None:
            if id(bank) not in fresh:
                raise ValueError(
                    "the style's or the content's features are not stored (storage is recompute), and this way of "
                    "sampling does not go through ComfyUI's guiders, which would compute them. Set storage to ram."
                )
            return fresh[id(bank)]
        if device.type != "cuda" or next(iter(stored.values())).device == device:
            return stored
        if self._copies is None:
            self._copies = ToDevice(device)
        return self._copies.take(stored)

    def _residuals(self, sigma: float, chunk: int) -> dict:
        if not self.settings.feature_strength or sigma < self.settings.feature_sigma_end:
            return {}
        at = self.content.level_of(sigma) if self.content is not None else None
        if at is None:
            return {}
        check_pairing("content", self.content, chunk)
        return self.content.residuals.get(at, {})


def injections_on(model) -> list[StyleInjection]:
    """The injections that a MODEL carries already."""
    wrappers = (w for group in model.wrappers.get(WrappersMP.APPLY_MODEL, {}).values() for w in group)
    owners = (getattr(wrapper, "__self__", None) for wrapper in wrappers)
    return [owner for owner in owners if isinstance(owner, StyleInjection)]


def _within(sigma: float, sigmas: tuple[float, float]) -> bool:
    start, end = sigmas
    return end <= sigma <= start


def check_pairing(what: str, bank: FeatureBank, chunk: int) -> None:
    """Raises ValueError where a bank's images are neither one nor as many as the `chunk` latents that are sampled."""
    if bank.batch not in (1, chunk):
        raise ValueError(
            f"{chunk} latents are sampled with {bank.batch} {what} images; use one {what} image, or as many as latents."
        )
