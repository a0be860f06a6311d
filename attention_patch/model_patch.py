"""The injection as a patch that a cloned ModelPatcher carries."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from comfy.patcher_extension import WrappersMP

from ..common.pairing import check_images
from ..equations.flat_background import flat_background
from ..equations.query_preservation import gamma_at
from ..equations.step_adain import step_adain
from ..features.feature_bank import FeatureBank, LevelFeatures
from ..features.host_copies import ToDevice
from ..features.wire_values import ContentQuery, StyleKV, StyleMix
from .architectures.architecture import Architecture, NetworkCall
from .call_state import model_options_with, state_of, state_of_model, with_state
from .injected_call import InjectedCall
from .patch_order import uncompiled
from .picture_area import areas_by_uuid, areas_of_call
from .sigma_dials import SigmaDials

_slots = itertools.count()


class StyleInjection:
    """Style injection for one model clone.

    Its wrappers find the noise level of each network call, gather what that call injects, and have the architecture
    patch the call. The only state between calls is copies made ahead for the next level; `cleanup` drops them.
    """

    def __init__(
        self,
        architecture: Architecture,
        style: StyleKV | StyleMix,
        content: ContentQuery | None,
        settings: SigmaDials,
    ):
        self.architecture, self.style, self.settings = architecture, style, settings
        self.content = content.bank if content else None
        self.background = _background(content, settings.flat_background)
        self.slot = f"cellstyle_injection_{next(_slots)}"  # the key of its wrappers
        self._copies: dict[torch.device, ToDevice] = {}

    def prediction_wrapper(self, executor, x, timestep, model_options=None, seed=None):
        """A PREDICT_NOISE wrapper: notes the size of the picture, from which calls on parts of it are told apart."""
        return executor(x, timestep, model_options_with(model_options, picture=tuple(x.shape[-2:])), seed)

    def conditioning_wrapper(self, executor, model, conds, x_in, timestep, model_options):
        """A CALC_COND_BATCH wrapper: says what of the picture each conditioning sees; its calls run uncompiled."""
        state, rows = state_of_model(model_options), len(x_in)
        model_options = {
            **model_options,
            "transformer_options": uncompiled(model_options.get("transformer_options", {})),
        }
        model_options = model_options_with(model_options, areas=areas_by_uuid(conds, x_in.shape, state.picture))
        if state.joint is not None:
            conds, x_in, timestep = state.joint.joined(conds, x_in, timestep)
        return [part[:rows] for part in executor(model, conds, x_in, timestep, model_options)]

    def wrapper(
        self, executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs
    ):
        """An APPLY_MODEL wrapper: puts this call's patches on it; outside the injection's range it passes unchanged."""
        options = transformer_options or {}
        state = state_of(options)
        call = None
        if state.recorder is None:  # else a pass that only reads features
            sigma = float(t[0])  # the one time a call that the host waits for the device
            call = self._call(sigma, x if state.joint is None else x[: state.joint.rows], options)
        if call is None:
            return executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
        options = with_state(options, taken=state.taken | call.layers, calls={**state.calls, self: call})
        options, check = self.architecture.injecting(options, NetworkCall(x, c_crossattn, kwargs), call)
        result = executor(x, t, c_concat, c_crossattn, control, options, **kwargs)
        check()
        if copies := self._copies.get(x.device):  # the device is busy with this call: time for the next one's features
            for bank, at in self.needed(sigma):
                if bank.blocks and at + 1 < len(bank.levels):
                    copies.ahead((bank, at + 1), bank.level(at + 1).tensors)
        return result

    def needed(self, sigma: float) -> list[tuple[FeatureBank, int]]:
        """Banks and levels whose features a call at this sigma injects, each once."""
        styles, at, _ = self._used(sigma)
        found = {style.bank: level for style, level in styles}
        if at is not None:
            found.setdefault(self.content, at)
        return list(found.items())

    def cleanup(self, *_) -> None:
        """Drops what was copied ahead; for the end of a run, however it ended."""
        self._copies = {}

    def post_cfg(self, args):
        """ComfyUI's `sampler_post_cfg_function`: per-step AdaIN on the denoised prediction."""
        sigma = float(args["sigma"][0])
        if not _within(sigma, self.settings.adain_sigmas):
            return args["denoised"]
        parts = self.style.parts
        styles, weights, masks = zip(*((part.bank.clean, part.weight, part.mask) for part in parts), strict=True)
        return step_adain(args["denoised"], styles, weights, masks, self.settings.adain_rate, self.background)

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
        if self.content is None or not _within(sigma, settings.query_sigmas):
            gamma = 0.0
        content = self.content.level_of(sigma) if gamma or self.background is not None else None
        return styles, content, gamma if content is not None else 0.0

    def _call(self, sigma: float, x: torch.Tensor, transformer_options: Mapping) -> InjectedCall | None:
        chunks = len(transformer_options.get("cond_or_uncond", (0,)))
        chunk = x.shape[0] // chunks
        residuals = self._residuals(sigma, chunk)
        used, at, gamma = self._used(sigma)
        if not used and not residuals:
            return None
        state = state_of(transformer_options)
        riding = {bank for bank, _ in state.joint.banks} if state.joint else set()
        features = {}
        for bank, level in self.needed(sigma):
            check_images("content" if bank is self.content else "style", bank.batch, chunk)
            if bank not in riding:
                features[bank] = self._features(bank, level, state.fresh, x.device)
        return InjectedCall(
            style=self.style,
            settings=self.settings,
            layers=frozenset(self.settings.layers) - state.taken if used else frozenset(),
            styles=[style for style, _ in used],
            content=self.content if at is not None else None,
            gamma=gamma,
            background=self.background if at is not None else None,
            features=features,
            joint=state.joint,
            chunk=chunk,
            areas=areas_of_call(transformer_options, x.shape, chunks, state.areas, state.picture),
            residuals=residuals,
        )

    def _features(
        self, bank: FeatureBank, at: int, fresh: Mapping[FeatureBank, LevelFeatures], device: torch.device
    ) -> LevelFeatures:
        """Features of a level: stored (copied to a CUDA device from elsewhere), or computed for this call."""
        if not bank.blocks:
            if bank not in fresh:
                raise ValueError(
                    "the style's or the content's features are not stored (storage is recompute), and this way of "
                    "sampling does not go through ComfyUI's guiders, which would compute them. Set storage to ram."
                )
            return fresh[bank]
        stored = bank.level(at)
        if device.type != "cuda" or next(iter(stored.tensors.values())).device == device:
            return stored
        if device not in self._copies:
            self._copies[device] = ToDevice(device)
        return LevelFeatures(self._copies[device].take((bank, at), stored.tensors), stored.grids)

    def _residuals(self, sigma: float, chunk: int) -> dict:
        if not self.settings.feature_strength or sigma < self.settings.feature_sigma_end:
            return {}
        at = self.content.level_of(sigma) if self.content is not None else None
        if at is None:
            return {}
        check_images("content", self.content.batch, chunk)
        return {block: levels[at] for block, levels in self.content.residuals.items()}


def injections_on(model) -> list[StyleInjection]:
    """The injections that a MODEL carries already."""
    wrappers = (w for group in model.wrappers.get(WrappersMP.APPLY_MODEL, {}).values() for w in group)
    owners = (getattr(wrapper, "__self__", None) for wrapper in wrappers)
    return [owner for owner in owners if isinstance(owner, StyleInjection)]


def _background(content: ContentQuery | None, strength: float) -> torch.Tensor | None:
    """(B or 1, 1, H, W) in 0..strength, where the content is even background; None where it nowhere is."""
    if content is None or not strength:
        return None
    found = flat_background(content.bank.clean) if content.background is None else content.background
    return strength * found if bool(found.any()) else None


def _within(sigma: float, sigmas: tuple[float, float]) -> bool:
    start, end = sigmas
    return end <= sigma <= start
