"""What to show of a micrograph, and how: the inputs of every node that loads one, in the order of load.Choices."""

from __future__ import annotations

from comfy_api.latest import io

from ..micrograph.canvas import FILLS, SIZES
from ..micrograph.load import CONTRASTS, PLANES, STACK_AXES


def micrograph_inputs() -> list:
    """Inputs named as the fields of micrograph.load.Choices."""
    return [
        io.String.Input(
            "channels",
            default="auto",
            tooltip=(
                'Which channels: numbers from 1 or names, such as "1,3", "1-4" or "DAPI, GFP". More '
                "channels are added on top of each other like light. auto: all up to four, else the first "
                "three."
            ),
        ),
        *_along(
            "z",
            "max",
            "What to do with a z-stack. max, mean, min: one picture from all planes. single: the plane "
            "z_index. frames: every plane a picture of the batch.",
            0,
            "The plane for z = single, counted from 1; 0 is the middle one. For z = frames the first one. "
            "Higher: deeper in the stack.",
        ),
        *_along(
            "time",
            "single",
            "What to do with a time series. single: the moment time_index. frames: every moment a "
            "picture of the batch. max, mean, min: one picture from all.",
            1,
            "The moment for time = single, counted from 1; 0 is the middle one. For time = frames the "
            "first one. Higher: later.",
        ),
        io.Combo.Input(
            "contrast",
            options=list(CONTRASTS),
            default="auto",
            tooltip=(
                "auto: 8-bit pictures as they are, all others by percentiles. percentile: always from low "
                "to high, for each channel over all frames (colour pictures: the three together, so that "
                "the stain keeps its hue). full range: all values the file's type can hold, 0 to 1 for real "
                "numbers."
            ),
        ),
        _percentile("low", 0.1, "The percentile that becomes black. Higher: more of the background goes black."),
        _percentile("high", 99.9, "The percentile that becomes white. Lower: brighter, and more highlights are cut."),
        io.String.Input(
            "pseudo_colour",
            default="auto",
            tooltip=(
                'A colour for each channel, such as "green, magenta": gray, blue, green, red, cyan, magenta, yellow, '
                "orange, fire, viridis, inferno or #rrggbb. own: the file's colours and lookup tables. auto: those "
                "too, but one channel alone is gray, and channels without a colour, or in the default blue that is "
                "hardly seen, get colours of even lightness that colour-blind readers tell apart. Colour pictures "
                "keep their own."
            ),
        ),
        io.Boolean.Input(
            "invert",
            default=False,
            tooltip=("Turns the finished picture into its negative: fluorescence on white, brightfield on black."),
        ),
        io.Combo.Input(
            "size",
            options=list(SIZES),
            default="keep",
            tooltip=(
                "keep: as in the file. resize: the longer side becomes longest_side. pad: filled up at the "
                "right and below to a multiple, so that a VAE cuts nothing off; the mask says where the "
                "picture is. Restore Micrograph Size goes back."
            ),
        ),
        io.Int.Input(
            "longest_side",
            default=1024,
            min=1,
            max=16384,
            step=8,
            tooltip="Pixels of the longer side after resize. Higher: more detail, memory and time.",
        ),
        io.Int.Input(
            "multiple",
            default=8,
            min=1,
            max=1024,
            advanced=True,
            tooltip=(
                "What pad fills both sides up to a multiple of. 8 suits every Stable Diffusion VAE; 64 old samplers."
            ),
        ),
        io.Combo.Input(
            "pad_fill",
            options=list(FILLS),
            default="reflect",
            advanced=True,
            tooltip="What the padding shows: the mirrored picture, its last pixel repeated, or black.",
        ),
        io.Int.Input(
            "series",
            default=1,
            min=1,
            max=100_000,
            advanced=True,
            tooltip="Which image of a file that holds several, counted from 1.",
        ),
        io.Int.Input(
            "pyramid_level",
            default=0,
            min=0,
            max=64,
            advanced=True,
            tooltip=(
                "Resolution of a pyramidal file (slide scanners): 0 is the full one, each higher level is coarser."
            ),
        ),
        io.Combo.Input(
            "stack_axis",
            options=list(STACK_AXES),
            default="z",
            advanced=True,
            tooltip=("What the pages of a plain TIFF are that does not say so itself: depths, moments or channels."),
        ),
        io.Int.Input(
            "max_frames",
            default=64,
            min=1,
            max=4096,
            advanced=True,
            tooltip="Most pictures along each axis that is set to frames. Higher: longer batches, more memory.",
        ),
    ]


def _along(axis: str, mode: str, mode_tooltip: str, index: int, index_tooltip: str) -> list:
    """How the planes along an axis become pictures, and which plane; mode, index: what a new node shows."""
    return [
        io.Combo.Input(axis, options=list(PLANES), default=mode, tooltip=mode_tooltip),
        io.Int.Input(f"{axis}_index", default=index, min=0, max=1_000_000, tooltip=index_tooltip),
    ]


def _percentile(name: str, default: float, tooltip: str):
    return io.Float.Input(name, default=default, min=0.0, max=100.0, step=0.1, round=0.001, tooltip=tooltip)
