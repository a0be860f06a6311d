"""CellStyleTransferFrames: a time-lapse or a stack in one style, with the memory of a few frames."""

from __future__ import annotations

import torch
from comfy_api.latest import io

from ..engine.inverted_latent import inversion_of, restarted
from ..engine.pieces import passes_of, styled
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

NAME = "CellStyleTransferFrames"


class CellStyleTransferFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id=NAME,
            display_name="Cell Style Transfer of Frames",
            category=CATEGORY,
            description=(
                "Cell Style Transfer for the frames of a time-lapse or a stack: one style, one palette over all frames "
                "so that colours do not flicker, and the memory of a few frames however long it is."
            ),
            search_aliases=["video", "time-lapse", "timelapse", "z-stack", "animation", "batch of frames", "flicker"],
            inputs=[
                *piecewise_inputs(
                    "The frames in order, all of one size: Load Micrograph's time axis or stack, or a video's images.",
                    "The picture whose texture and colours are taken; any size, one for all frames.",
                ),
                io.Int.Input(
                    "frames_at_once",
                    default=4,
                    min=1,
                    max=4096,
                    tooltip=(
                        "Frames that go through the model together. More: a little faster on a large card, and memory "
                        "in proportion. The result is the same."
                    ),
                ),
                *look_inputs(),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="The frames in the style's texture and colours.")],
        )

    @classmethod
    def execute(cls, model, conditioning, vae, content, style, frames_at_once, **looks):
        content, style = check_pictures(content, "content"), check_pictures(style, "style")
        if len(style) > 1:
            raise ValueError(f"{len(style)} styles for one scene; connect one style picture.")
        chosen = split_dials(**looks)
        groups = content.split(frames_at_once)
        held = bool(chosen.dials.fine.adain_rate) and len(content) > 1
        preview = SharedPreview(model, 1 + passes_of(len(groups), held))
        wired = (NAME, model, conditioning)
        style_kv, style_noise = capture_style(*wired, encode(vae, style), chosen.style_inversion, preview)

        def starts(inverted: list[dict]) -> list[dict]:
            whole = with_one_palette(_side_by_side(inverted), style_noise, chosen.strength, chosen.start)
            frames = _apart(whole["samples"], len(content)).split(frames_at_once)
            return [restarted(latent, part) for latent, part in zip(inverted, frames, strict=True)]

        latents = [encode(vae, group) for group in groups]
        how = (latents, style_kv, starts, chosen.inversion, chosen.dials)
        drawn = styled(*wired, *how, held=held, together=_row, progress=preview)
        return io.NodeOutput(torch.cat([decode(vae, latent) for latent in drawn]))


def _side_by_side(latents: list[dict]) -> dict:
    """The frames of inverted LATENTs as one wide picture, so that a statistic of it is of all frames."""
    cleans = _row([inversion_of(latent).clean for latent in latents])
    return restarted(latents[0], _row([latent["samples"] for latent in latents]), cleans)


def _row(groups: list[torch.Tensor]) -> torch.Tensor:
    """Groups of frames (B, C, h, w) side by side, (1, C, h, F * w)."""
    return torch.cat(groups).movedim(0, 2).flatten(2, 3)[None]


def _apart(wide: torch.Tensor, count: int) -> torch.Tensor:
    """(F, C, h, w) of `count` frames (1, C, h, F * w) side by side."""
    return wide[0].unflatten(-1, (count, -1)).movedim(2, 0).contiguous()
