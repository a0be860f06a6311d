"""What one network call of a transformer injects, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch

from ...equations.attention_temperature import token_scale
from ...equations.flat_background import flat_queries
from ...equations.rotary import move, turn, untwist, untwist_weights
from ...equations.style_blend import branch_weights, tokens_inside
from ...equations.token_attention import (
    bias_keys,
    blend_queries,
    fit_mask,
    match_statistics,
    tokens_of,
    weighs_image,
)
from ...features.feature_bank import FeatureBank
from ...features.layer_key import LayerKey
from ...features.wire_values import StyleKV, StyleMix
from ..injected_call import InjectedCall
from .attention_hook import Attend, Tokens
from .token_features import StyleTokens, style_tokens, unpack_style

if TYPE_CHECKING:
    from .token_architecture import TokenArchitecture

Mask = torch.Tensor | None
# a layer's features of each bank, as it keeps them or as they ride along, with the grid of their tokens
Found = Mapping[FeatureBank, tuple[torch.Tensor | StyleTokens, tuple[int, int]]]


class TokenInjection:
    """An `Act` of AttentionHook: the chosen layers' image queries meet the style's keys and values."""

    def __init__(
        self, architecture: TokenArchitecture, call: InjectedCall, texts: int, longer: Mapping[FeatureBank, int]
    ):
        """texts: see `TokenArchitecture.text_end`, of this call. longer: by how many tokens its text is longer than the
        one each bank was recorded with, where that moves the picture.

        Raises: ValueError: places are needed and the network sees a part of the picture, or positions are to be changed
            and the network has no rotary ones.
        """
        self.call, self.texts, self.longer = call, texts, longer
        self.rotary, self.text_shift, self.step = architecture.rotary, architecture.text_shift, architecture.step
        self.text_moves = architecture.text_moves
        # made for the first layer, good for all
        self._turns: dict[tuple[float, ...], tuple[torch.Tensor, torch.Tensor]] = {}
        self._places: dict[tuple[int, tuple[int, int]], tuple[torch.Tensor, torch.Tensor]] = {}
        self._untwisting: torch.Tensor | None = None
        self._weighed: list[torch.Tensor] = []  # of each mask that was fitted, whether it weighs image tokens
        placed = call.content is not None or any(part.mask is not None for part in call.styles)
        if placed and not all(area is not None and area.is_whole for area in call.areas):
            raise ValueError(
                "the network sees a part of the picture (a conditioning with an area, or tiled sampling), and in a "
                "transformer the content's queries carry their places with them. Remove the area, or the node that "
                "tiles, or set gamma and flat_background to 0 and use no masks."
            )
        if call.settings.style_position != "own" and self.rotary is None:
            raise ValueError(
                f"style_position is {call.settings.style_position}, but {architecture.models} learn their positions "
                "instead of rotating queries and keys, so there is nothing to change. Set style_position to own."
            )

    def __call__(self, layer: LayerKey, attend: Attend, q, k, v, mask: Mask, tokens: Tokens) -> torch.Tensor:
        given, joint = (q, k, v), self.call.joint
        stored = {bank: (level.tensors[layer], level.grids[layer]) for bank, level in self.call.features.items()}
        if joint is not None:
            qkv = [tokens.split(x) for x in given]
            own, seen = ([x[part] for x in qkv] for part in (slice(joint.rows), slice(joint.rows, None)))
            found = {**stored, **self._riding(seen, tokens)}
            parts, joined = self._parts(layer, self.call.styles[0], own[0], tokens, found), [x.clone() for x in given]
            for x, new in zip(joined, parts, strict=True):
                tokens_of(tokens.split(x), 2, tokens.image)[: joint.rows] = new
            return attend(*joined, mask)
        if isinstance(self.call.style, StyleMix):
            return self._mixed(layer, attend, given, mask, tokens, stored)
        return attend(*self._branch(layer, self.call.styles[0], given, mask, tokens, stored))

    def _riding(self, seen: Sequence[torch.Tensor], tokens: Tokens) -> Found:
        """Features of the banks whose latents are the rows `seen` (q, k, v) of this very attention."""
        parts = [self.call.joint.split(tokens_of(x, 2, tokens.image)) for x in seen]
        found = {}
        for bank, _ in self.call.joint.banks:
            q, k, v = (part[bank] for part in parts)
            wanted = self.call.settings.qk_adain > 0
            found[bank] = (q if bank.role == "content" else style_tokens(q, k, v, wanted), tokens.grid)
        return found

    def check(self) -> None:
        """For the end of the call, so that no layer waits for the device. Raises ValueError where a mask hides or
        weighs image tokens, which have no counterpart in a style of another size."""
        if self._weighed and bool(torch.stack(self._weighed).any()):
            raise ValueError(
                "an attention mask hides or weighs image tokens, and the style has another number of them. Give the "
                "style the content's size, or remove the node that makes the mask."
            )

    def _mixed(self, layer: LayerKey, attend: Attend, given, mask: Mask, tokens: Tokens, found: Found) -> torch.Tensor:
        """Several styles, or one that is masked or weighed: a sum of attentions, with weights a token."""
        q, chunks, parts = tokens.split(given[0]), len(self.call.areas), self.call.styles
        weights, masks = [part.weight for part in parts], [part.mask for part in parts]
        shares, rest = branch_weights(weights, masks, tokens.grid, self.call.chunk, q.device, q.dtype)
        total = 0
        for part, share in zip(parts, shares, strict=True):
            out = attend(*self._branch(layer, part, given, mask, tokens, found))
            total = total + out * _of_sequence(share, tokens, q.shape[2], chunks)
        if any(each is not None for each in masks) or sum(weights) < 1:
            # what the styles leave over is the image's own attention
            total = total + attend(*given, mask) * _of_sequence(rest, tokens, q.shape[2], chunks)
        return total

    def _branch(self, layer: LayerKey, part: StyleKV, given, mask: Mask, tokens: Tokens, found: Found):
        """q, k, v, laid out as those given, and mask of an attention into one style."""
        (q, k, v), image, strength = (tokens.split(x) for x in given), tokens.image, self.call.settings.qk_adain
        new_q, new_k, new_v = self._parts(layer, part, q, tokens, found)
        share, of_style = isinstance(self.call.style, StyleMix) and self.call.style.share, new_k.shape[2]
        if share:
            own_k = tokens_of(k, 2, image)
            if strength:
                std, mean = torch.std_mean(new_k.float(), 2, keepdim=True, correction=0)
                own_k = match_statistics(own_k, mean, std, strength)
            new_k = torch.cat([new_k, own_k], 2)
            new_v = torch.cat([new_v, tokens_of(v, 2, image)], 2)
        mask = self._fit(mask, k.shape[2], image, new_k.shape[2])
        new = [tokens.with_image(x, its) for x, its in zip(given, (new_q, new_k, new_v), strict=True)]
        if share:
            at = slice(image.start, image.start + of_style)
            mask = bias_keys(mask, tokens.split(new[1]), at, self.call.style.share_bias)
        return *new, mask

    def _fit(self, mask: Mask, keys: int, image: slice, new_tokens: int) -> Mask:
        """See `fit_mask`."""
        fitted = fit_mask(mask, keys, image, new_tokens)
        if fitted is not mask:
            self._weighed.append(weighs_image(mask, image))
        return fitted

    def _parts(self, layer: LayerKey, part: StyleKV, q: torch.Tensor, tokens: Tokens, found: Found):
        """The image's queries (B, H, N, D), and the style's keys and values (B, H, M, D). q: of the whole sequence."""
        settings = self.call.settings
        kept, grid = found[part.bank]
        style = StyleTokens(*(None if x is None else self._rows(x, q) for x in unpack_style(kept)))
        new_q = tokens_of(q, 2, tokens.image)
        if settings.qk_adain:
            new_q = match_statistics(new_q, style.q_mean, style.q_std, settings.qk_adain)
        q_content, gamma = self._content_query(q, tokens, self.call.gamma_of(layer), found)
        new_q = blend_queries(new_q, q_content, gamma, self._tau(part, grid))
        new_k, new_v = self._placed(part.bank, style.k, tokens), style.v
        if part.source_mask is not None:
            chosen = tokens_inside(part.source_mask, grid, q.device)
            new_k, new_v = new_k[:, :, chosen], new_v[:, :, chosen]
        return new_q, new_k, new_v

    def _content_query(
        self, q: torch.Tensor, tokens: Tokens, gamma: float, found: Found
    ) -> tuple[torch.Tensor | None, float | torch.Tensor]:
        """The content's queries, if any are kept, and query preservation, of all tokens or (B, 1, N, 1)."""
        content, background = self.call.content, self.call.background_on(tokens.grid, q)
        if content is None or (gamma == 0 and background is None):
            return None, gamma
        kept, grid = found[content]
        if grid != tokens.grid:
            raise ValueError(
                f"the content was inverted at {grid[0]} x {grid[1]} tokens and {tokens.grid[0]} x {tokens.grid[1]} are "
                "sampled. A transformer's queries carry their places and can't be resized: sample at the content's "
                "size, or set gamma and flat_background to 0."
            )
        kept = self._moved(self._rows(kept, q), self._text_offset(content, tokens))
        if background is None:
            return kept, gamma
        moved = None if self.rotary is None else partial(self._to_first, tokens.grid)
        return flat_queries(kept, background[:, None], tokens.grid, gamma, moved)

    def _to_first(self, grid: tuple[int, int], x: torch.Tensor, sign: int) -> torch.Tensor:
        """The image's tokens x as they would be in the place of the first (sign -1), or back from there (1)."""
        if (sign, grid) not in self._places:
            rows, columns = (torch.arange(side, dtype=torch.float64) for side in grid)
            down, right = (torch.tensor(self.step(*one), dtype=torch.float64) for one in ((1, 0), (0, 1)))
            places = rows[:, None, None] * down + columns[None, :, None] * right
            self._places[sign, grid] = turn(self.rotary, sign * places.flatten(0, 1), x.device)
        return move(x, self.rotary, self._places[sign, grid])

    def _placed(self, bank: FeatureBank, k: torch.Tensor, tokens: Tokens) -> torch.Tensor:
        """A style's keys where `style_position` wants them."""
        offset, position = self._text_offset(bank, tokens), self.call.settings.style_position
        if position == "moved":  # beside the picture instead of on it
            offset = [a + b for a, b in zip(offset, self.step(0, tokens.grid[1]), strict=True)]
        k = self._moved(k, offset)
        if position != "untwist":
            return k
        if self._untwisting is None:
            self._untwisting = untwist_weights(self.rotary, k)
        return untwist(k, self._untwisting)

    def _text_offset(self, bank: FeatureBank, tokens: Tokens) -> list[float]:
        """How far this call's text moves the picture from where it was when the bank was recorded."""
        axes = len(self.rotary.frequencies) if self.rotary is not None else 0
        steps = self.text_shift or (0,) * axes
        longer = self.longer.get(bank, 0)
        if longer and not self.text_moves(tokens.rope, self.texts):
            longer = 0
        return [float(step * longer) for step in steps]

    def _moved(self, x: torch.Tensor, offset: Sequence[float]) -> torch.Tensor:
        if not any(offset):
            return x
        key = tuple(offset)
        if key not in self._turns:
            self._turns[key] = turn(self.rotary, offset, x.device)
        return move(x, self.rotary, self._turns[key])

    def _rows(self, x: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """(b, ...) with b of 1 or `chunk`, for the whole batch: ComfyUI stacks the conditionings along it."""
        x, chunk, chunks = x.to(q.device, q.dtype), self.call.chunk, len(self.call.areas)
        if x.shape[0] != chunk:
            x = x.expand(chunk, *x.shape[1:])
        return x.repeat(chunks, *(1 for _ in x.shape[1:])) if chunks > 1 else x

    def _tau(self, part: StyleKV, grid: tuple[int, int]) -> float:
        settings = self.call.settings
        if not settings.trained_area:
            return settings.tau
        tokens, area = grid[0] * grid[1], part.bank.size[0] * part.bank.size[1]
        return settings.tau * token_scale(tokens, tokens * settings.trained_area / area)


def _of_sequence(share: torch.Tensor, tokens: Tokens, sequence: int, chunks: int) -> torch.Tensor:
    """(b, N, 1) weights of the image's tokens as (b * chunks, sequence, 1); text and padding get their mean."""
    image, mean = tokens.image, share.mean(1, keepdim=True)
    after = sequence - image.stop
    whole = torch.cat([mean.expand(-1, image.start, -1), share, mean.expand(-1, after, -1)], 1)
    return whole.repeat(chunks, 1, 1) if len(whole) > 1 else whole
