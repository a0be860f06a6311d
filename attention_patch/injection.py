"""The injection as a patch that a cloned ModelPatcher carries."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch

from ..diffusion.gamma_schedule import gamma_at
from .capture import layer_of
from .feature_bank import ContentQuery, FeatureBank, StyleKV
from .style_injection import inject_style, match_batch, match_grid
from .unet_layers import LayerKey

_slots = itertools.count()


@dataclass(frozen=True)
class InjectionSettings:
    """The dials. gamma, gamma_end: 0 .. 1. tau > 0. sigma_start >= sigma >= sigma_end is where the injection acts."""

    gamma: float = 0.75
    tau: float = 1.5
    gamma_curve: str = "constant"
    gamma_end: float = 0.75
    layers: tuple[LayerKey, ...] = ()
    sigma_start: float = float("inf")
    sigma_end: float = 0.0


@dataclass(frozen=True)
class _Level:
    """What one network call injects; travels in that call's `transformer_options` and nowhere else."""

    style: dict[LayerKey, torch.Tensor]
    content: dict[LayerKey, torch.Tensor]
    content_grids: dict[LayerKey, tuple[int, int]]
    gamma: float
    tau: float
    chunk: int


class StyleInjection:
    """Style injection for one model clone: an APPLY_MODEL wrapper that looks the level up once a call, and an
    `attn1_patch` that injects in the chosen layers. Holds no state that a call changes."""

    def __init__(self, style: StyleKV, content: ContentQuery | None, settings: InjectionSettings):
        self.style, self.content, self.settings = style.bank, content.bank if content else None, settings
        self.slot = f"cellstyle_injection_{next(_slots)}"

    def wrapper(
        self, executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs
    ):
        """Puts this call's features under `slot`; outside the injection's range the call passes unchanged."""
        transformer_options = transformer_options or {}
        chunks = len(transformer_options.get("cond_or_uncond", (0,)))
        level = self._level(float(t[0]), x.shape[0] // chunks)
        if level is not None:
            transformer_options = {**transformer_options, self.slot: level}
        return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)

    def patch(self, n, context, value, extra_options):
        """ComfyUI's `attn1_patch`: (n, context, value), each (B, N, C), before the projections."""
        level: _Level | None = extra_options.get(self.slot)
        if level is None:
            return n, context, value
        layer = layer_of(extra_options)
        n_style = level.style.get(layer)
        if n_style is None:
            return n, context, value
        chunks = n.shape[0] // level.chunk
        n_content = level.content.get(layer)
        if n_content is not None:
            grid = tuple(extra_options["activations_shape"][-2:])
            if n.shape[1] != grid[0] * grid[1]:
                raise ValueError(
                    f"a node before this one rearranges the tokens of {layer.block}.{layer.number} (HyperTile and "
                    "Token Merging do this), so the content's queries no longer fit. Put that node after the style "
                    "injection, or set gamma to 0."
                )
            n_content = match_grid(n_content.to(n.device, n.dtype), level.content_grids[layer], grid)
            n_content = match_batch(n_content, level.chunk, chunks)
        n_style = match_batch(n_style.to(n.device, n.dtype), level.chunk, chunks)
        return inject_style(n, n_style, n_content, level.gamma, level.tau)

    def _level(self, sigma: float, chunk: int) -> _Level | None:
        settings = self.settings
        if not settings.sigma_end <= sigma <= settings.sigma_start:
            return None
        at = self.style.level_of(sigma)
        if at is None:
            return None
        gamma = gamma_at(self._progress(at), settings.gamma, settings.gamma_end, settings.gamma_curve)
        _check_batch("style", self.style, chunk)
        content_features, content_grids = {}, {}
        if gamma > 0 and self.content is not None:
            _check_batch("content", self.content, chunk)
            content_at = self.content.level_of(sigma)
            if content_at is not None:
                content_features, content_grids = self.content.features[content_at], self.content.grids
        style = {layer: n for layer, n in self.style.features[at].items() if layer in settings.layers}
        return _Level(style, content_features, content_grids, gamma, settings.tau, chunk)

    def _progress(self, level: int) -> float:
        return level / max(1, len(self.style.levels) - 1)


def _check_batch(what: str, bank: FeatureBank, chunk: int) -> None:
    if bank.batch not in (1, chunk):
        raise ValueError(
            f"{chunk} latents are sampled with {bank.batch} {what} images; use one {what} image, or as many as latents."
        )
