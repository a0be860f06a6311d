"""CellStyleBlend: several styles at once, or one a region."""

from __future__ import annotations

import dataclasses
import math

import torch
from comfy_api.latest import io

from ..common.pairing import paired_count
from ..common.word_lists import words_of
from ..features.wire_values import StyleKV, StyleMix
from ..node_parts.wire_types import CATEGORY, STYLE_KV

MOST_STYLES = 8
MODES = ("replace", "share")


def _names(prefix: str) -> list[str]:
    return [f"{prefix}_{i}" for i in range(1, MOST_STYLES + 1)]


class CellStyleBlend(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleBlend",
            display_name="Cell Style Blend",
            category=CATEGORY,
            description=(
                "Several styles in one image: mixed by weight, placed by masks, or both. For the colours, give Latent "
                "AdaIN of each style and combine the latents with LatentBlend (weights) or LatentCompositeMasked "
                "(masks)."
            ),
            search_aliases=["mix styles", "style mask", "regional style", "style weight", "two styles"],
            inputs=[
                io.Autogrow.Input(
                    "styles",
                    template=io.Autogrow.TemplateNames(
                        STYLE_KV.Input("style", tooltip="A style; a socket more appears with every one you connect."),
                        names=_names("style"),
                        min=1,
                    ),
                    tooltip="The styles to blend, up to 8.",
                ),
                io.String.Input(
                    "weights",
                    default="",
                    tooltip=(
                        "One number a style, such as 0.7, 0.3. A higher number gives that style more. Empty: equal "
                        "shares, or 1 each where masks place them. Above a sum of 1 they are scaled down; below, the "
                        "rest stays the content's own."
                    ),
                ),
                io.Combo.Input(
                    "mode",
                    options=list(MODES),
                    default="replace",
                    tooltip=(
                        "replace: the style's keys and values instead of the image's own, as in the paper. share: "
                        "beside them, which leaks less of the style image's content and is gentler."
                    ),
                ),
                io.Float.Input(
                    "share_bias",
                    default=0.0,
                    min=-10.0,
                    max=10.0,
                    step=0.1,
                    advanced=True,
                    tooltip="With share: higher gives the style more of the attention, lower the image. 0: equal.",
                ),
                io.Autogrow.Input(
                    "masks",
                    template=io.Autogrow.TemplateNames(
                        io.Mask.Input(
                            "mask", optional=True, tooltip="Where on the content this style acts; soft edges stay soft."
                        ),
                        names=_names("mask"),
                        min=0,
                    ),
                    optional=True,
                    tooltip="mask_1 places style_1, and so on, on the content's canvas. No mask: everywhere.",
                ),
                io.Autogrow.Input(
                    "source_masks",
                    template=io.Autogrow.TemplateNames(
                        io.Mask.Input(
                            "source_mask", optional=True, tooltip="Which part of the style image gives texture."
                        ),
                        names=_names("source_mask"),
                        min=0,
                    ),
                    optional=True,
                    tooltip="source_mask_1 cuts style_1 out of its own image, and so on. No mask: all of it.",
                ),
            ],
            outputs=[STYLE_KV.Output(display_name="style_kv", tooltip="To Injected Sampler or Cell Style Apply.")],
        )

    @classmethod
    def execute(cls, styles, weights, mode, share_bias, masks=None, source_masks=None):
        masks, source_masks = masks or {}, source_masks or {}
        numbered = [(name, styles[name]) for name in _names("style") if styles.get(name) is not None]
        if not numbered:
            raise ValueError("no style is connected; connect style_kv of Style K/V Capture or Load Style to style_1.")
        numbers = [int(name.rsplit("_", 1)[1]) for name, _ in numbered]
        masks, source_masks = _checked_masks(numbers, masks), _checked_masks(numbers, source_masks)
        placed = [masks.get(f"mask_{i}") for i in numbers]
        cut = [source_masks.get(f"source_mask_{i}") for i in numbers]
        shares = _parse_weights(weights, placed)
        parts = []
        for (_, style), weight, mask, source in zip(numbered, shares, placed, cut, strict=True):
            if isinstance(style, StyleMix) and style.share != (mode == "share"):
                raise ValueError("a blend inside a blend must have the same mode, replace or share.")
            if isinstance(style, StyleMix) and style.share and style.share_bias != share_bias:
                raise ValueError(
                    f"a blend inside a blend must have the same share_bias; the inner has {style.share_bias:g}, this "
                    f"one {share_bias:g}."
                )
            for part in _scaled_to_one(style.parts):
                parts.append(_placed(part, weight, mask, source))
        _check_same_layers(parts)
        only = parts[0]
        if (
            len(parts) == 1
            and mode == "replace"
            and only.weight == 1
            and only.mask is None
            and only.source_mask is None
        ):
            return io.NodeOutput(only)  # the plain injection, bit for bit
        return io.NodeOutput(StyleMix(tuple(parts), mode == "share", share_bias))


def _placed(part: StyleKV, weight: float, mask: torch.Tensor | None, source: torch.Tensor | None) -> StyleKV:
    return dataclasses.replace(
        part,
        weight=part.weight * weight,
        mask=_both(mask, part.mask, "masks"),
        source_mask=_both(source, part.source_mask, "source masks"),
    )


def _both(outer: torch.Tensor | None, inner: torch.Tensor | None, what: str) -> torch.Tensor | None:
    """Where both masks are; a blend inside a blend has one of each."""
    if outer is None or inner is None:
        return inner if outer is None else outer
    if outer.shape[-2:] != inner.shape[-2:]:
        raise ValueError(f"{what} of a blend inside a blend must have the same size; resize one of them.")
    paired_count(len(outer), len(inner), f"{what} outside", f"{what} inside a blend")
    return outer * inner


def _scaled_to_one(parts: tuple[StyleKV, ...]) -> list[StyleKV]:
    """The parts of an inner blend, scaled down wherever their shares sum to more than 1, as that blend alone does."""
    masks = [None if part.mask is None else part.mask.clamp(0, 1) for part in parts]
    if all(mask is None for mask in masks):
        total = max(1.0, sum(part.weight for part in parts))
        return [dataclasses.replace(part, weight=part.weight / total) for part in parts]
    sizes = {tuple(mask.shape[-2:]) for mask in masks if mask is not None}
    if len(sizes) > 1:
        raise ValueError("masks of a blend inside a blend must have the same size; resize one of them.")
    total = sum(part.weight * (1.0 if mask is None else mask) for part, mask in zip(parts, masks, strict=True))
    if not bool((total > 1).any()):
        return list(parts)
    scale = 1 / total.clamp_min(1)
    return [
        dataclasses.replace(part, mask=scale if mask is None else mask * scale)
        for part, mask in zip(parts, masks, strict=True)
    ]


def _parse_weights(text: str, masks: list) -> list[float]:
    words = words_of(text)
    if not words:
        share = 1.0 if any(mask is not None for mask in masks) else 1.0 / len(masks)
        return [share] * len(masks)
    try:
        weights = [float(word) for word in words]
    except ValueError:
        raise ValueError(f'weights "{text}" is not a list of numbers; write one a style, such as 0.7, 0.3.') from None
    if len(weights) != len(masks):
        raise ValueError(f"weights has {len(weights)} numbers for {len(masks)} styles; write one a style.")
    if any(not math.isfinite(weight) or weight < 0 for weight in weights) or sum(weights) == 0:
        raise ValueError(f'weights "{text}": each must be 0 or more, and one of them above 0.')
    return weights


def _checked_masks(numbers: list[int], masks: dict) -> dict[str, torch.Tensor]:
    """The masks that are connected, each (B, H, W)."""
    checked = {}
    for name, mask in masks.items():
        number = int(name.rsplit("_", 1)[1])
        if mask is None:
            continue
        if number not in numbers:
            raise ValueError(f"{name} is connected, but style_{number} is not; connect both or neither.")
        if not torch.is_tensor(mask) or mask.numel() == 0 or not bool(torch.isfinite(mask).all()):
            raise ValueError(f"{name} is empty or contains NaN; connect a MASK with values from 0 to 1.")
        if mask.ndim == 4 and mask.shape[1] == 1:  # (B, 1, H, W), as some packs hand masks on
            mask = mask[:, 0]
        if mask.ndim not in (2, 3):
            raise ValueError(
                f"{name} has shape {tuple(mask.shape)}; a MASK (batch, height, width) is expected. Convert an image "
                "with Convert Image to Mask."
            )
        checked[name] = mask if mask.ndim == 3 else mask[None]
    return checked


def _check_same_layers(parts: list[StyleKV]) -> None:
    families = {part.bank.family for part in parts}
    if len(families) > 1:
        names = ", ".join(sorted(family.name for family in families))
        raise ValueError(f"the styles come from different kinds of models ({names}); capture all with the same model.")
    if len({part.bank.layers for part in parts}) > 1:
        raise ValueError("the styles were captured with different layers; capture all with the same layers.")
