"""One network call's `optimized_attention_override`: which layer attends, where its image tokens lie, and what to do.

It is put on each call anew, never on the shared model, and calls the override that was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch

from ...equations.token_attention import with_tokens
from ...features.layer_key import LayerKey
from .reference_latents import REFUSAL

if TYPE_CHECKING:
    from .token_architecture import TokenArchitecture

Attend = Callable[..., torch.Tensor]
"""(q, k, v, mask) -> the attention's output, by whatever back end and override come next; q, k and v as they came."""


class Tokens(NamedTuple):
    """Where an attention's image tokens lie, and how q, k and v are laid out.

    image: their places in the sequence. grid: (h, w). heads: of the attention.
    headed: q, k, v come as (B, H, N, D); otherwise as (B, N, H * D) or (B, N, H, D).
    rope: the network's `rope_options`.
    """

    image: slice
    grid: tuple[int, int]
    heads: int
    headed: bool
    rope: Mapping

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, N, D), a view of q, k or v as it came."""
        if self.headed:
            return x
        return (x if x.ndim == 4 else x.unflatten(-1, (self.heads, -1))).transpose(1, 2)

    def with_image(self, x: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """q, k or v as it came, with its image tokens replaced by `new`, (B, H, M, D); copied once."""
        if self.headed:
            return with_tokens(x, 2, self.image, new)
        apart = x if x.ndim == 4 else x.unflatten(-1, (self.heads, -1))
        apart = with_tokens(apart, 1, self.image, new.transpose(1, 2))
        return apart if x.ndim == 4 else apart.flatten(2)


Act = Callable[[LayerKey, Attend, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None, Tokens], torch.Tensor]
"""(layer, attend, q, k, v, mask, tokens) -> the attention's output; called for each of the chosen layers."""


class AttentionHook:
    """The override of one call. `check` says afterwards whether every chosen layer was reached."""

    def __init__(
        self,
        architecture: TokenArchitecture,
        shape,
        layers: Iterable[LayerKey],
        act: Act,
        before: Callable | None = None,
        behind: int | None = None,
    ):
        """shape: of the call's latents. before: the override that was there. behind: tokens behind the image's, where
        that is known."""
        self.architecture, self.act, self.before = architecture, act, before
        self.name = type(architecture.network).__name__
        self.behind = behind
        self.layers = frozenset(layers)
        self.grid = architecture.grid(shape)
        self.reached: set[LayerKey] = set()
        self._order = list(architecture.layers()) if architecture.names == "count" else []
        self._seen: set[tuple[str, int]] = set()
        self._count = 0
        self._text: dict[tuple[str, int], tuple[int, int]] = {}  # a layer's (text, sequence), as the network says it

    def __call__(self, func, q, k, v, heads, *args, **kwargs):
        options = kwargs.get("transformer_options") or {}
        layer = self._layer(options)

        def attend(q, k, v, mask):
            rest, named = args, kwargs
            if mask is not given:  # where the caller put it: another override may look there
                if args:
                    rest = (mask, *args[1:])
                else:
                    named = {**kwargs, "mask": mask}
            if self.before is not None:
                return self.before(func, q, k, v, heads, *rest, **named)
            return func(q, k, v, heads, *rest, **named)

        given = args[0] if args else kwargs.get("mask")
        if layer is None or layer not in self.layers:
            return attend(q, k, v, given)
        self.reached.add(layer)
        headed = bool(kwargs.get("skip_reshape"))
        sequence = q.shape[2] if headed else q.shape[1]
        count = self.grid[0] * self.grid[1]
        image = self.architecture.image(count, sequence, layer)
        self._check_image(layer, image, sequence, options)
        rope = options.get("rope_options") or {}
        return self.act(layer, attend, q, k, v, given, Tokens(image, self.grid, heads, headed, rope))

    def text_patch(self, q, k, v, pe=None, attn_mask=None, extra_options=None, **_):
        """An `attn1_patch` that changes nothing: it notes where the network says that the text ends."""
        options = extra_options or {}
        if "img_slice" in options and "block_index" in options:
            self._text[options.get("block_type", ""), options["block_index"]] = tuple(options["img_slice"])
        return {}

    def check(self) -> None:
        """Raises ValueError where the call is over and a chosen layer has not attended through this hook."""
        missed = sorted(self.layers - self.reached)
        if missed:
            name = f"{missed[0].block}.{missed[0].number}"
            raise ValueError(
                f"layer {name} of the {self.name} was not reached: another node replaces that block "
                f"or its attention inside the network. Remove that node, or leave {name} out of layers."
            )
        expected = len(self._order) * (2 if self.architecture.crossed else 1)
        if self._order and self._count != expected:
            raise ValueError(
                f"another node adds attentions to the {self.name} ({self._count} where there are "
                f"{expected}), so its layers can't be told apart. Remove that node."
            )

    def _layer(self, options: dict) -> LayerKey | None:
        if self.architecture.names == "count":
            number, over_text = divmod(self._count, 2) if self.architecture.crossed else (self._count, 0)
            self._count += 1
            return self._order[number] if number < len(self._order) and not over_text else None
        if "block_index" not in options:
            return None  # a refiner of the text or of the noise
        stage = options.get("block_type") or next(iter(self.architecture.stages))
        number = options["block_index"]
        if (stage, number) not in self._seen:
            self._seen.add((stage, number))
            return LayerKey(stage, number, 0)
        # after a block's first attention: one over the text, or over the image's tokens alone
        return None if self.architecture.crossed else LayerKey(stage, number, 1)

    def _check_image(self, layer: LayerKey, image: slice, sequence: int, options: dict) -> None:
        """Raises ValueError where the sequence does not hold the image's tokens where they are expected."""
        text, total = self._text.get((layer.block, layer.number), options.get("img_slice") or (image.start, sequence))
        if layer.index:
            text, total = 0, sequence
        if self.behind is not None:
            text, total = self.behind, sequence
        fits = image.start >= 0 and image.stop <= sequence
        if self.architecture.order == "text_image":
            fits = fits and text == image.start and total == sequence
        elif self.architecture.order == "image":
            fits = fits and sequence == image.stop
        elif self.behind is not None:
            fits = fits and sequence == image.stop + self.behind
        if fits:
            return
        if options.get("reference_image_num_tokens"):
            raise ValueError(REFUSAL)
        grid = f"{self.grid[0]} x {self.grid[1]}"
        raise ValueError(
            f"another node has changed the number of image tokens that {layer.block}.{layer.number} of the "
            f"{self.name} sees: {sequence - text} where {grid} were expected. Remove that node."
        )
