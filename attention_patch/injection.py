"""The injection as a patch that a cloned ModelPatcher carries."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from ..diffusion.gamma_schedule import gamma_at
from .capture import CAPTURE, layer_of
from .feature_bank import ContentQuery, FeatureBank, StyleKV, StyleMix
from .host_copies import ToDevice
from .style_injection import inject_style, match_batch, match_grid
from .style_mixture import branch_weights, part_of_style, share_context, stack_contexts, sum_branches
from .style_settings import step_adain, token_scale
from .unet_layers import LayerKey

# where a call's `transformer_options` have features that are not stored: {id(bank): {layer: (batch, tokens, channels)}}
FRESH = "cellstyle_fresh_features"

_slots = itertools.count()


@dataclass(frozen=True)
class InjectionSettings:
    """The dials, with ranges in sigma. gamma, gamma_end: 0 .. 1. tau > 0. The injection acts where sigma_start >= sigma
    >= sigma_end; the content's queries are kept only within query_sigmas (start, end), its residual features down to
    feature_sigma_end. layer_gamma: factors on gamma. trained_area: latent pixels that the model was trained at, 0 to
    leave tau alone. adain_sigmas: (start, end) of the per-step AdaIN."""

    gamma: float = 0.75
    tau: float = 1.5
    gamma_curve: str = "constant"
    gamma_end: float = 0.75
    layers: tuple[LayerKey, ...] = ()
    sigma_start: float = float("inf")
    sigma_end: float = 0.0
    query_sigmas: tuple[float, float] = (float("inf"), 0.0)
    layer_gamma: Mapping[LayerKey, float] = field(default_factory=dict)
    trained_area: float = 0.0
    adain_rate: float = 0.0
    adain_sigmas: tuple[float, float] = (float("inf"), 0.0)
    feature_strength: float = 0.0
    feature_sigma_end: float = 0.0


@dataclass(frozen=True)
class _Level:
    """What one network call injects; travels in that call's `transformer_options` and nowhere else."""

    styles: list[tuple[StyleKV, dict[LayerKey, torch.Tensor]]]
    content: dict[LayerKey, torch.Tensor]
    gamma: float
    chunk: int
    residuals: dict[tuple[str, int], torch.Tensor] = field(default_factory=dict)
    # between a layer's patches, for mixtures: the branches' weights, and the bias that its attention has to take
    weights: dict[LayerKey, torch.Tensor] = field(default_factory=dict)
    bias: dict[LayerKey, torch.Tensor] = field(default_factory=dict)


class StyleInjection:
    """Style injection for one model clone: an APPLY_MODEL wrapper that looks the level up once a call, and an
    `attn1_patch` that injects in the chosen layers. A mixture of styles also needs `output_patch`, which sums the
    branches that `patch` stacked. A call changes nothing in it but the copies made ahead; `cleanup` drops those."""

    def __init__(self, style: StyleKV | StyleMix, content: ContentQuery | None, settings: InjectionSettings):
        self.style, self.content, self.settings = style, content.bank if content else None, settings
        self.is_mixture = isinstance(style, StyleMix)
        self.slot = f"cellstyle_injection_{next(_slots)}"
        self._copies: ToDevice | None = None

    def wrapper(
        self, executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **kwargs
    ):
        """Puts this call's features under `slot`; outside the injection's range the call passes unchanged."""
        transformer_options = transformer_options or {}
        if CAPTURE in transformer_options:  # a pass that only reads features
            return executor(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)
        chunks = len(transformer_options.get("cond_or_uncond", (0,)))
        sigma = float(t[0])  # the one time a call that the host waits for the device
        level = self._level(sigma, x.shape[0] // chunks, transformer_options.get(FRESH, {}), x.device)
        if level is not None:
            transformer_options = {**transformer_options, self.slot: level}
            if self.is_mixture:
                before = transformer_options.get("optimized_attention_override")
                transformer_options["optimized_attention_override"] = _biased_attention(level, before)
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

    def patch(self, n, context, value, extra_options):
        """ComfyUI's `attn1_patch`: (n, context, value), each (B, N, C), before the projections."""
        level: _Level | None = extra_options.get(self.slot)
        layer = layer_of(extra_options)
        if level is None or not level.styles or layer not in self.settings.layers:
            return n, context, value
        chunks = n.shape[0] // level.chunk
        features = [
            (style, match_batch(layers[layer].to(n.device, n.dtype), level.chunk, chunks))
            for style, layers in level.styles
        ]
        n_content = self._content_query(level, layer, n, extra_options)
        gamma = level.gamma * self.settings.layer_gamma.get(layer, 1.0)
        tau = self._tau(layer)
        if not self.is_mixture:
            return inject_style(n, features[0][1], n_content, gamma, tau)
        query, _, _ = inject_style(n, n, n_content, gamma, tau)
        return self._mixture(level, layer, n, query, features, tuple(extra_options["activations_shape"][-2:]))

    def output_patch(self, n, extra_options):
        """ComfyUI's `attn1_output_patch`: sums a mixture's branches, (S * B, N, C) to (B, N, C)."""
        level: _Level | None = extra_options.get(self.slot)
        layer = layer_of(extra_options)
        weights = level.weights.pop(layer, None) if level is not None else None
        if weights is None:
            return n
        if level.bias.pop(layer, None) is not None:
            raise ValueError(
                f"another node replaces the attention of {layer.block}.{layer.number}, and a blend of styles of "
                "different sizes cannot reach it. Give all styles the same size, without source masks and share bias, "
                "or remove that node."
            )
        return sum_branches(n, weights)

    def residual_patch(self, layer, x, emb, context, transformer_options, *_):
        """ComfyUI's `forward_timestep_embed_patch` for ResBlock: part of the content's residual features.

        Source: Tumanyan et al. 2023 (plug-and-play), section 4.1.
        """
        h = layer(x, emb)
        level: _Level | None = transformer_options.get(self.slot)
        content = level.residuals.get(transformer_options["block"]) if level is not None else None
        if content is None:
            return h
        content = content.to(h.device, h.dtype)
        if content.shape[-2:] != h.shape[-2:]:
            content = F.interpolate(content.float(), size=h.shape[-2:], mode="bilinear", antialias=True).to(h.dtype)
        chunks = h.shape[0] // level.chunk
        content = content.expand(level.chunk, *content.shape[1:]).repeat(chunks, 1, 1, 1)
        return torch.lerp(h, content, self.settings.feature_strength)

    def post_cfg(self, args):
        """ComfyUI's `sampler_post_cfg_function`: per-step AdaIN on the denoised prediction."""
        sigma = float(args["sigma"][0])
        if not _within(sigma, self.settings.adain_sigmas):
            return args["denoised"]
        return step_adain(args["denoised"], self.style.parts, self.settings.adain_rate)

    def _tau(self, layer: LayerKey) -> float:
        if not self.settings.trained_area:
            return self.settings.tau
        bank = self.style.bank
        tokens = bank.grids[layer][0] * bank.grids[layer][1]
        area = bank.clean.shape[-2] * bank.clean.shape[-1]
        return self.settings.tau * token_scale(tokens, tokens * self.settings.trained_area / area)

    def _mixture(self, level: _Level, layer: LayerKey, n, query, features, grid):
        parts = [style for style, _ in features]
        shares, rest = branch_weights(
            [part.weight for part in parts], [part.mask for part in parts], grid, level.chunk, n.device, n.dtype
        )
        queries, contexts = [query] * len(parts), []
        for part, n_style in features:
            n_style = part_of_style(n_style, part.source_mask, part.bank.grids[layer])
            contexts.append(share_context(n_style, n, self.style.share_bias) if self.style.share else (n_style, None))
        if any(part.mask is not None for part in parts) or sum(part.weight for part in parts) < 1:
            # what the styles leave over is the image's own self-attention
            queries.append(n)
            contexts.append((n, None))
            shares = torch.cat([shares, rest[None]])
        context, bias = stack_contexts(contexts)
        level.weights[layer] = shares
        if bias is not None:
            level.bias[layer] = bias
        return torch.cat(queries), context, context

    def _content_query(self, level: _Level, layer: LayerKey, n, extra_options):
        n_content = level.content.get(layer)
        if n_content is None:
            return None
        grid = tuple(extra_options["activations_shape"][-2:])
        if n.shape[1] != grid[0] * grid[1]:
            raise ValueError(
                f"a node before this one rearranges the tokens of {layer.block}.{layer.number} (HyperTile and Token "
                "Merging do this), so the content's queries no longer fit. Put that node after the style injection, "
                "or set gamma to 0."
            )
        n_content = match_grid(n_content.to(n.device, n.dtype), self.content.grids[layer], grid)
        return match_batch(n_content, level.chunk, n.shape[0] // level.chunk)

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

    def _level(self, sigma: float, chunk: int, fresh: Mapping, device: torch.device) -> _Level | None:
        residuals = self._residuals(sigma, chunk)
        styles, at, gamma = self._used(sigma)
        if not styles:
            return _Level([], {}, 0.0, chunk, residuals) if residuals else None
        for style, _ in styles:
            _check_batch("style", style.bank, chunk)
        content = {}
        if at is not None:
            _check_batch("content", self.content, chunk)
            content = self._features(self.content, at, fresh, device)
        found = [(style, self._features(style.bank, level, fresh, device)) for style, level in styles]
        return _Level(found, content, gamma, chunk, residuals)

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
        _check_batch("content", self.content, chunk)
        return self.content.residuals.get(at, {})


def _within(sigma: float, sigmas: tuple[float, float]) -> bool:
    start, end = sigmas
    return end <= sigma <= start


def _biased_attention(level: _Level, before):
    """An `optimized_attention_override` that gives a mixture's attention its bias and calls the override before it."""

    def override(func, *args, **kwargs):
        options = kwargs.get("transformer_options") or {}
        bias = level.bias.pop(layer_of(options), None) if "block" in options else None
        if bias is not None:
            kwargs["mask"] = bias
        return before(func, *args, **kwargs) if before is not None else func(*args, **kwargs)

    return override


def _check_batch(what: str, bank: FeatureBank, chunk: int) -> None:
    if bank.batch not in (1, chunk):
        raise ValueError(
            f"{chunk} latents are sampled with {bank.batch} {what} images; use one {what} image, or as many as latents."
        )
