"""The injection in a UNet: three patches around those of other packs, for one network call."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from ...equations.attention_temperature import token_scale
from ...equations.flat_background import flat_queries
from ...equations.residual_features import mix_residual
from ...equations.style_blend import (
    Branch,
    Keys,
    attend_by_length,
    branch_weights,
    part_of_style,
    share_context,
    stack_branches,
    sum_branches,
)
from ...equations.style_injection import inject_style
from ...equations.token_grid import match_batch
from ...features.feature_bank import FeatureBank
from ...features.layer_key import LayerKey
from ...features.wire_values import StyleMix
from ..call_state import state_of
from ..injected_call import InjectedCall
from ..patch_order import with_checked_replacers, with_patches
from ..picture_area import Area, crop_mask
from .unet_recording import layer_of

Grid = tuple[int, int]
# a layer's features of each bank, (b, tokens, channels), with their grid
Found = Mapping[FeatureBank, tuple[torch.Tensor, Grid]]


def inject_in_unet(options: Mapping, call: InjectedCall, limited: set[LayerKey]) -> dict:
    """The options of one network call with the style injected. limited: layers whose projection clips its input."""
    options, injection = with_checked_replacers(options, call.layers), UNetInjection(call, limited)
    if isinstance(call.style, StyleMix) or limited:
        before = options.get("optimized_attention_override")
        options["optimized_attention_override"] = injection.attention_override(before)
    return with_patches(options, first=injection.patch, last=injection.fit_patch, output=injection.output_patch)


def inject_residual(injection, layer, x, emb, context, transformer_options, *_):
    """ComfyUI's `forward_timestep_embed_patch` for ResBlock: part of the content's residual features.

    injection: whose call it is, see `CallState.calls`.
    """
    h = layer(x, emb)
    call = state_of(transformer_options).calls.get(injection)
    content = None if call is None else residual_of(call, transformer_options["block"], tuple(h.shape[-2:]), h)
    return h if content is None else mix_residual(h, content, injection.settings.feature_strength)


def residual_of(call: InjectedCall, block: tuple[str, int], size: Grid, like: torch.Tensor) -> torch.Tensor | None:
    """(B, channels, h, w), the content's residual features for the whole batch; None where there are none."""
    content = call.residuals.get(block)
    if content is None:
        return None
    grid = tuple(content.shape[-2:])
    tokens = content.to(like.device, like.dtype).flatten(2).transpose(1, 2)
    return call.of_chunks(tokens, grid, size).transpose(1, 2).unflatten(2, size)


class UNetInjection:
    """The patches of one call; between a layer's patches it remembers what the next one needs of that layer."""

    def __init__(self, call: InjectedCall, limited: set[LayerKey]):
        self.call, self.limited = call, limited
        self._tokens: dict[LayerKey, int] = {}
        self._weights: dict[LayerKey, list[torch.Tensor]] = {}  # of each conditioning, for mixtures
        self._keys: dict[LayerKey, list[Keys]] = {}  # how each row attends, where it is not the plain attention

    def patch(self, n, context, value, extra_options):
        """The `attn1_patch` before all others: (n, context, value), each (B, N, C), before the projections."""
        layer, joint = layer_of(extra_options), self.call.joint
        if layer not in self.call.layers:
            return n, context, value
        grid = tuple(extra_options["activations_shape"][-2:])
        if joint is None:
            return self._injected(layer, n, grid, {})
        n, seen = n[: joint.rows], n[joint.rows :]
        found = {bank: (part, grid) for bank, part in joint.split(seen).items()}
        return tuple(torch.cat([x, seen]) for x in self._injected(layer, n, grid, found))

    def _injected(self, layer: LayerKey, n: torch.Tensor, grid: Grid, found: Found) -> tuple[torch.Tensor, ...]:
        """(n, context, value) of the sampled rows n. found: features of the banks that ride along."""
        call = self.call
        found = {**found, **{bank: (level.tensors[layer], level.grids[layer]) for bank, level in call.features.items()}}
        found = {bank: (features.to(n.device, n.dtype), its) for bank, (features, its) in found.items()}
        self._check_place(layer, n, grid)
        self._tokens[layer] = n.shape[1]
        tau, late_tau = self._taus(layer, found)
        content = None if call.content is None else call.of_chunks(*found[call.content], grid)
        gamma, background = call.gamma_of(layer), call.background_on(grid, n)
        if background is not None:
            content, gamma = flat_queries(content, background, grid, gamma)
        query, _, _ = inject_style(n, n, content, gamma, tau)
        if not isinstance(call.style, StyleMix):
            n_style = match_batch(found[call.style.bank][0], call.chunk, len(call.areas))
            if late_tau != 1:
                self._keys[layer] = [Keys(n_style.shape[1], None, late_tau)] * len(n_style)
            return query, n_style, n_style
        chunks = [
            self._branches(*chunk, found, grid, area, late_tau)
            for *chunk, area in zip(n.split(call.chunk), query.split(call.chunk), call.areas, strict=True)
        ]
        queries, contexts, rows, self._weights[layer] = (list(column) for column in zip(*chunks, strict=True))
        if rows[0] is not None:
            self._keys[layer] = [keys for chunk in rows for keys in chunk]
        context = torch.cat(contexts)
        return torch.cat(queries), context, context

    def fit_patch(self, n, context, value, extra_options):
        """The `attn1_patch` after all others: where one has cut the picture into tiles along the batch, as HyperTile
        does, each tile looks into the whole style."""
        layer = layer_of(extra_options)
        if layer not in self._tokens:
            return n, context, value
        if context is n or value is n or n.shape[0] % context.shape[0] or n.shape[0] % value.shape[0]:
            raise ValueError(
                f"another node makes keys and values of {layer} from the sampled picture, so none of the style "
                f"would be left. Remove that node, or leave {layer} out of layers."
            )
        return n, _for_tiles(context, n), _for_tiles(value, n)

    def output_patch(self, n, extra_options):
        """The `attn1_output_patch` after all others: sums a mixture's branches, (S * B, N, C) to (B, N, C)."""
        layer = layer_of(extra_options)
        if layer not in self._tokens:
            return n
        if n.shape[1] != self._tokens.pop(layer):
            raise ValueError(
                f"another node replaces the attention of {layer} by something that does not answer every token "
                f"of the picture. Remove that node, or leave {layer} out of layers."
            )
        if (unread := self._keys.pop(layer, None)) is not None:
            if any(keys.tau != 1 for keys in unread):
                raise ValueError(
                    f"another node replaces the attention of {layer}, and with this model's quantised weights "
                    "tau has to be applied there. Set tau to 1, or remove that node."
                )
            raise ValueError(
                f"another node replaces the attention of {layer}, and a blend of styles of different sizes "
                "cannot reach it. Give all styles the same size, without source masks and share bias, or remove that "
                "node."
            )
        weights = self._weights.pop(layer, None)
        if weights is None:
            return n
        parts = n.chunk(len(weights))
        return torch.cat([sum_branches(part, shares) for part, shares in zip(parts, weights, strict=True)])

    def attention_override(self, before):
        """An `optimized_attention_override` that lets each row of a mixture read its own keys; it calls the override
        that was there before."""

        def override(func, *args, **kwargs):
            def attention(*args, **kwargs):
                return before(func, *args, **kwargs) if before is not None else func(*args, **kwargs)

            options = kwargs.get("transformer_options") or {}
            rows = self._keys.pop(layer_of(options), None) if "block" in options else None
            if rows is None:
                return attention(*args, **kwargs)

            def attend(q, k, v, mask):
                return attention(q, k, v, *args[3:], **(kwargs if mask is None else {**kwargs, "mask": mask}))

            q, k, v = args[:3]
            tiles = q.shape[0] // len(rows)  # of each image, where another node has cut it along the batch
            return attend_by_length(attend, q, k, v, [keys for keys in rows for _ in range(tiles)])

        return override

    def _check_place(self, layer: LayerKey, n: torch.Tensor, grid: tuple[int, int]) -> None:
        call = self.call
        needs_place = call.content is not None or isinstance(call.style, StyleMix)
        if needs_place and n.shape[:2] != (call.chunk * len(call.areas), grid[0] * grid[1]):
            raise ValueError(
                f"another node rearranges the tokens of {layer} before its attention, so the content's queries "
                "and a blend's masks no longer fit. Remove that node, or set gamma and flat_background to 0 and "
                "use a single style."
            )

    def _taus(self, layer: LayerKey, found: Found) -> tuple[float, float]:
        """(tau before the projection of the queries, tau after it): the same, where nothing limits what goes in."""
        settings, bank = self.call.settings, self.call.styles[0].bank
        tau = settings.tau
        if settings.trained_area:
            height, width = found[bank][1]
            tokens, area = height * width, bank.size[0] * bank.size[1]
            tau = tau * token_scale(tokens, tokens * settings.trained_area / area)
        return (1.0, tau) if layer in self.limited and tau > 1 else (tau, 1.0)

    def _branches(self, n, query, found: Found, grid: Grid, area: Area | None, late_tau: float):
        """(queries, contexts, rows or None, weights) of one conditioning, its branches stacked along the batch."""
        parts, style = self.call.styles, self.call.style
        masks = [None if part.mask is None else crop_mask(part.mask, area) for part in parts]
        shares, rest = branch_weights([part.weight for part in parts], masks, grid, self.call.chunk, n.device, n.dtype)
        queries, branches = [query] * len(parts), []
        for part in parts:
            n_style, its_grid = found[part.bank]
            n_style = part_of_style(match_batch(n_style, self.call.chunk, 1), part.source_mask, its_grid)
            branches.append(
                share_context(n_style, n, style.share_bias, late_tau)
                if style.share
                else Branch(n_style, None, late_tau)
            )
        if any(mask is not None for mask in masks) or sum(part.weight for part in parts) < 1:
            # what the styles leave over is the image's own self-attention
            queries.append(n)
            branches.append(Branch(n))
            shares = torch.cat([shares, rest[None]])
        return torch.cat(queries), *stack_branches(branches), shares


def _for_tiles(x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    """x (b, ...) repeated for the tiles of each image in n (b * tiles, ...)."""
    tiles = n.shape[0] // x.shape[0]
    return x.repeat_interleave(tiles, 0) if tiles > 1 else x
