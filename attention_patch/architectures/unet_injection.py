"""What one network call injects, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from ..equations.attention_temperature import token_scale
from ..equations.style_blend import (
    Branch,
    Keys,
    attend_by_length,
    branch_weights,
    part_of_style,
    share_context,
    stack_branches,
    sum_branches,
)
from ..equations.style_injection import inject_style, match_batch
from ..features.feature_bank import FeatureBank, StyleKV, StyleMix
from ..features.layer_key import LayerKey
from .capture import layer_of
from .picture_area import Area, crop_mask, crop_tokens
from .sigma_dials import InjectionSettings

LayerFeatures = Mapping[LayerKey, torch.Tensor]


@dataclass(frozen=True)
class InjectionCall:
    """Three patches around those of other packs, for one network call; travels in its `transformer_options` alone.

    style, content, settings: of the injection. layers: where this call injects.
    styles: each style with its features {layer: (b, tokens, channels)} at this call's level. queries: the content's.
    gamma: of this level. chunk: images of one conditioning. areas: what of the picture each conditioning sees, None
    where another node has cut it. residuals[(block, number)]: (b, channels, h, w) of the content.
    """

    style: StyleKV | StyleMix
    content: FeatureBank | None
    settings: InjectionSettings
    layers: frozenset[LayerKey]
    styles: Sequence[tuple[StyleKV, LayerFeatures]]
    queries: LayerFeatures
    gamma: float
    chunk: int
    areas: Sequence[Area | None]
    residuals: Mapping[tuple[str, int], torch.Tensor] = field(default_factory=dict)
    # between a layer's patches: its tokens; for mixtures each chunk's weights, and which keys each row reads
    _tokens: dict[LayerKey, int] = field(default_factory=dict)
    _weights: dict[LayerKey, list[torch.Tensor]] = field(default_factory=dict)
    _keys: dict[LayerKey, list[Keys]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if None in self.areas and (
            self.queries or self.residuals or any(part.mask is not None for part, _ in self.styles)
        ):
            raise ValueError(
                "another node shows the network a cut or resized picture (tiled sampling does this), so the content's "
                "queries, residual features and masks have no place on it. Remove that node, or set gamma and "
                "feature_strength to 0 and use no masks."
            )

    def patch(self, n, context, value, extra_options):
        """The `attn1_patch` before all others: (n, context, value), each (B, N, C), before the projections."""
        layer = layer_of(extra_options)
        if layer not in self.layers:
            return n, context, value
        grid = tuple(extra_options["activations_shape"][-2:])
        self._check_place(layer, n, grid)
        self._tokens[layer] = n.shape[1]
        gamma = self.gamma * self.settings.layer_gamma.get(layer, 1.0)
        tau, late_tau = self._taus(layer)
        query, _, _ = inject_style(n, n, self._content_query(layer, n, grid), gamma, tau)
        styles = [(part, features[layer].to(n.device, n.dtype)) for part, features in self.styles]
        if not isinstance(self.style, StyleMix):
            n_style = match_batch(styles[0][1], self.chunk, len(self.areas))
            if late_tau != 1:
                self._keys[layer] = [Keys(n_style.shape[1], None, late_tau)] * len(n_style)
            return query, n_style, n_style
        chunks = [
            self._branches(layer, *chunk, styles, grid, area, late_tau)
            for *chunk, area in zip(n.split(self.chunk), query.split(self.chunk), self.areas, strict=True)
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
                f"another node makes keys and values of {_name(layer)} from the sampled picture, so none of the style "
                f"would be left. Remove that node, or leave {_name(layer)} out of layers."
            )
        return n, _for_tiles(context, n), _for_tiles(value, n)

    def output_patch(self, n, extra_options):
        """The `attn1_output_patch` after all others: sums a mixture's branches, (S * B, N, C) to (B, N, C)."""
        layer = layer_of(extra_options)
        if layer not in self._tokens:
            return n
        if n.shape[1] != self._tokens.pop(layer):
            raise ValueError(
                f"another node replaces the attention of {_name(layer)} by something that does not answer every token "
                f"of the picture. Remove that node, or leave {_name(layer)} out of layers."
            )
        if (unread := self._keys.pop(layer, None)) is not None:
            if any(keys.tau != 1 for keys in unread):
                raise ValueError(
                    f"another node replaces the attention of {_name(layer)}, and with this model's quantised weights "
                    "tau has to be applied there. Set tau to 1, or remove that node."
                )
            raise ValueError(
                f"another node replaces the attention of {_name(layer)}, and a blend of styles of different sizes "
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

    def residual(self, block: tuple[str, int], size: tuple[int, int], like: torch.Tensor) -> torch.Tensor | None:
        """(B, channels, h, w), the content's residual features for the whole batch; None where there are none."""
        content = self.residuals.get(block)
        if content is None:
            return None
        grid = tuple(content.shape[-2:])
        tokens = content.to(like.device, like.dtype).flatten(2).transpose(1, 2)
        return self._of_chunks(tokens, grid, size).transpose(1, 2).unflatten(2, size)

    def _check_place(self, layer: LayerKey, n: torch.Tensor, grid: tuple[int, int]) -> None:
        needs_place = layer in self.queries or isinstance(self.style, StyleMix)
        if needs_place and n.shape[:2] != (self.chunk * len(self.areas), grid[0] * grid[1]):
            raise ValueError(
                f"another node rearranges the tokens of {_name(layer)} before its attention, so the content's queries "
                "and a blend's masks no longer fit. Remove that node, or set gamma to 0 and use a single style."
            )

    def _content_query(self, layer: LayerKey, n: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor | None:
        if layer not in self.queries:
            return None
        return self._of_chunks(self.queries[layer].to(n.device, n.dtype), self.content.grids[layer], grid)

    def _of_chunks(self, features: torch.Tensor, grid: tuple[int, int], wanted: tuple[int, int]) -> torch.Tensor:
        """Features of the whole content, (b, h * w, C), as the conditionings of the batch see it: (B, h' * w', C)."""
        if len(set(self.areas)) == 1:
            return match_batch(crop_tokens(features, grid, self.areas[0], wanted), self.chunk, len(self.areas))
        return torch.cat([match_batch(crop_tokens(features, grid, area, wanted), self.chunk, 1) for area in self.areas])

    def _taus(self, layer: LayerKey) -> tuple[float, float]:
        """(tau before the projection of the queries, tau after it): the same, where nothing limits what goes in."""
        tau = self._tau(layer)
        return (1.0, tau) if layer in self.settings.limited_layers and tau > 1 else (tau, 1.0)

    def _tau(self, layer: LayerKey) -> float:
        if not self.settings.trained_area:
            return self.settings.tau
        bank = self.style.bank
        tokens = bank.grids[layer][0] * bank.grids[layer][1]
        area = bank.clean.shape[-2] * bank.clean.shape[-1]
        return self.settings.tau * token_scale(tokens, tokens * self.settings.trained_area / area)

    def _branches(self, layer: LayerKey, n, query, styles, grid, area: Area | None, late_tau: float):
        """(queries, contexts, rows or None, weights) of one conditioning, its branches stacked along the batch."""
        parts = [part for part, _ in styles]
        masks = [None if part.mask is None else crop_mask(part.mask, area) for part in parts]
        shares, rest = branch_weights([part.weight for part in parts], masks, grid, self.chunk, n.device, n.dtype)
        queries, branches = [query] * len(parts), []
        for part, n_style in styles:
            n_style = part_of_style(match_batch(n_style, self.chunk, 1), part.source_mask, part.bank.grids[layer])
            branches.append(
                share_context(n_style, n, self.style.share_bias, late_tau)
                if self.style.share
                else Branch(n_style, None, late_tau)
            )
        if any(mask is not None for mask in masks) or sum(part.weight for part in parts) < 1:
            # what the styles leave over is the image's own self-attention
            queries.append(n)
            branches.append(Branch(n))
            shares = torch.cat([shares, rest[None]])
        return torch.cat(queries), *stack_branches(branches), shares


def _name(layer: LayerKey) -> str:
    return f"{layer.block}.{layer.number}"


def _for_tiles(x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    """x (b, ...) repeated for the tiles of each image in n (b * tiles, ...)."""
    tiles = n.shape[0] // x.shape[0]
    return x.repeat_interleave(tiles, 0) if tiles > 1 else x
