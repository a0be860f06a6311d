"""CellStyleTiledTransfer: the whole transfer at full size, with the memory of one tile."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from comfy_api.latest import io

from ..common.pairing import one_or_all, paired_count
from ..engine.inverted_latent import inversion_of, restarted
from ..engine.pieces import check_placeless, passes_of, styled
from ..equations.tiles import TileLayout, blend, cut, lay_tiles, mosaic
from ..node_parts.preview import SharedPreview
from ..node_parts.transfer_inputs import (
    capture_style,
    check_pictures,
    decode,
    encode,
    look_inputs,
    piecewise_inputs,
    split_dials,
)
from ..node_parts.wire_types import CATEGORY
from .latent_adain import with_one_palette

NAME = "CellStyleTiledTransfer"


class CellStyleTiledTransfer(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id=NAME,
            display_name="Tiled Cell Style Transfer",
            category=CATEGORY,
            description=(
                "Cell Style Transfer for pictures of real size: the content keeps all its pixels and goes through "
                "the model tile by tile, with one style, one palette for the whole and no seams. Time grows with the "
                "pixels, memory stays that of one tile."
            ),
            search_aliases=[
                "large image",
                "4k",
                "high resolution",
                "tiles",
                "tiled diffusion",
                "MultiDiffusion",
                "gigapixel",
            ],
            inputs=[
                *piecewise_inputs(
                    "The micrograph at full size. A batch goes through picture by picture.",
                    "The picture whose texture and colours are taken; any size, best about that of a tile. One, or one "
                    "a content image.",
                ),
                io.Int.Input(
                    "tile_size",
                    default=512,
                    min=128,
                    max=4096,
                    step=64,
                    tooltip=(
                        "Side of a tile in pixels: the size that the model was trained at, 512 for SD 1.5, 1024 for "
                        "SDXL. Larger: more context and coarser texture, more memory. A smaller picture is one tile."
                    ),
                ),
                io.Int.Input(
                    "overlap",
                    default=128,
                    min=64,
                    max=2048,
                    step=64,
                    advanced=True,
                    tooltip=(
                        "Pixels that neighbouring tiles share and fade over, at most half a tile. More: smoother "
                        "transitions, more tiles and time."
                    ),
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Where the style goes; elsewhere the content stays as it is. One, or one a content image.",
                ),
                *look_inputs(),
            ],
            outputs=[
                io.Image.Output(
                    display_name="image",
                    tooltip="The content in the style's texture and colours, at its own size (multiples of 8).",
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        model,
        conditioning,
        vae,
        content,
        style,
        tile_size,
        overlap,
        mask=None,
        **looks,
    ):
        content, style = check_pictures(content, "content"), check_pictures(style, "style")
        count = paired_count(len(content), len(style), "contents", "styles")
        if overlap * 2 > tile_size:
            raise ValueError(
                f"an overlap of {overlap} pixels is more than half a tile of {tile_size}. Make it at most "
                f"{tile_size // 2}, or the tiles larger."
            )
        factor = model.get_model_object("latent_format").spacial_downscale_ratio
        content = _whole_latents(content, factor)
        masks = None if mask is None else _masks(mask, content, count)
        layout = lay_tiles(
            (content.shape[1] // factor, content.shape[2] // factor), tile_size // factor, overlap // factor
        )
        check_placeless(NAME, conditioning, len(layout))
        chosen = split_dials(**looks)
        held = bool(chosen.dials.fine.adain_rate) and len(layout) > 1
        preview = SharedPreview(model, len(style) + count * passes_of(len(layout), held))
        wired = (NAME, model, conditioning)

        results = []
        for n in range(count):
            if n < len(style):  # else the one style for all is captured already
                latent = encode(vae, style[n : n + 1])
                style_kv, style_noise = capture_style(*wired, latent, chosen.style_inversion, preview)
            picture = content[n % len(content)][None]

            def starts(inverted: list[dict], style_noise=style_noise) -> list[dict]:
                whole = with_one_palette(mosaic_latent(inverted, layout), style_noise, chosen.strength, chosen.start)
                parts = cut(whole["samples"], layout)
                return [restarted(latent, part) for latent, part in zip(inverted, parts, strict=True)]

            tiles = [encode(vae, tile) for tile in _cut_pixels(picture, layout.times(factor))]
            how = (tiles, style_kv, starts, chosen.inversion, chosen.dials)
            drawn = styled(*wired, *how, held=held, together=lambda parts: mosaic(parts, layout), progress=preview)
            decoded = (decode(vae, latent).movedim(-1, 1) for latent in drawn)
            result = blend(decoded, layout.times(factor)).movedim(1, -1)
            if masks is not None:
                result = torch.lerp(picture.to(result), result, masks[n % len(masks)].to(result)[None, ..., None])
            results.append(result)
        return io.NodeOutput(torch.cat(results))


def mosaic_latent(latents: Sequence[dict], layout: TileLayout) -> dict:
    """The inverted LATENT of the whole picture, put together from those of its tiles."""
    samples = mosaic([latent["samples"] for latent in latents], layout)
    return restarted(latents[0], samples, mosaic([inversion_of(latent).clean for latent in latents], layout))


def _cut_pixels(picture: torch.Tensor, layout: TileLayout) -> list[torch.Tensor]:
    return [tile.movedim(1, -1) for tile in cut(picture.movedim(-1, 1), layout)]


def _whole_latents(content: torch.Tensor, factor: int) -> torch.Tensor:
    """The middle of (B, H, W, 3) that is whole latent pixels, as ComfyUI's VAE crops it."""
    height, width = (side // factor * factor for side in content.shape[1:3])
    if not height or not width:
        raise ValueError(
            f"content has {content.shape[2]} x {content.shape[1]} pixels; at least {factor} x {factor} are needed."
        )
    top, left = (content.shape[1] - height) // 2, (content.shape[2] - width) // 2
    return content[:, top : top + height, left : left + width]


def _masks(mask: torch.Tensor, content: torch.Tensor, count: int) -> torch.Tensor:
    """(1 or count, H, W) of the content's size. Raises ValueError where there are others."""
    mask = mask[None] if mask.ndim == 2 else mask
    if mask.ndim != 3 or not one_or_all(len(mask), count):
        raise ValueError(f"mask has shape {tuple(mask.shape)}; one mask (height, width), or {count}, are expected.")
    if mask.shape[1:] != content.shape[1:3]:
        mask = F.interpolate(mask[:, None].float(), size=content.shape[1:3], mode="bilinear", antialias=True)[:, 0]
    return mask.clamp(0, 1)
