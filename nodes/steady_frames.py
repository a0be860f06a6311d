"""CellStyleSteadyFrames: a styled time-lapse without flicker where its source stands still."""

from __future__ import annotations

import comfy.model_management
import comfy.utils
import torch
import torch.nn.functional as F
from comfy_api.latest import io

from ..equations.steady_frames import source_noise, steady_frames
from ..node_parts.transfer_inputs import check_pictures
from ..node_parts.wire_types import CATEGORY


class CellStyleSteadyFrames(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleSteadyFrames",
            display_name="Steady Frames",
            category=CATEGORY,
            description=(
                "Takes the flicker out of a styled time-lapse: where the source changes by no more than its own noise, "
                "a frame is blended with the one before it. What moves is followed at once."
            ),
            search_aliases=[
                "flicker",
                "deflicker",
                "temporal smoothing",
                "video",
                "time-lapse",
                "stabilise",
                "denoise",
            ],
            inputs=[
                io.Image.Input("frames", tooltip="The styled frames in order, from Cell Style Transfer of Frames."),
                io.Image.Input(
                    "source",
                    tooltip="The frames that they were made from, as many. Another size is brought to theirs.",
                ),
                io.Float.Input(
                    "strength",
                    default=0.8,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip=(
                        "Share of the frame before in still places. Higher: calmer; slow changes of the style come "
                        "later. 0 leaves the frames as they are, 1 holds still places for ever."
                    ),
                ),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="The frames, calm where the source is.")],
        )

    @classmethod
    def execute(cls, frames, source, strength):
        check_pictures(frames, "frames")
        source = check_pictures(source, "source")
        if len(source) != len(frames):
            raise ValueError(
                f"{len(frames)} frames and {len(source)} of the source do not fit. Connect the very frames that "
                "Cell Style Transfer of Frames got as content."
            )
        if len(frames) == 1 or not strength:
            return io.NodeOutput(frames)
        source = _of_size(source.to(frames.device), frames.shape[1:3])
        steadied = torch.empty_like(frames)
        bar = comfy.utils.ProgressBar(len(frames))
        for n, frame in enumerate(steady_frames(frames, source, strength, source_noise(source))):
            comfy.model_management.throw_exception_if_processing_interrupted()
            steadied[n] = frame
            bar.update(1)
        return io.NodeOutput(steadied)


def _of_size(pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(F, H, W, 3) at a size."""
    if tuple(pictures.shape[1:3]) == tuple(size):
        return pictures
    resized = F.interpolate(pictures.movedim(-1, 1).float(), size=tuple(size), mode="bilinear", antialias=True)
    return resized.movedim(1, -1)
