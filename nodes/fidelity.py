"""CellStyleFidelity: is the science still there?"""

from __future__ import annotations

import json

import comfy.model_management
import numpy as np
import torch
from comfy_api.latest import io, ui

from ..common.pairing import one_or_all, paired_count
from ..fidelity.lpips import Lpips, bytes_needed, read_lpips
from ..fidelity.metrics import NUMBERS, Settings, batch_flicker, mean_lpips, mean_numbers, measure, to_record
from ..fidelity.objects import POLARITIES
from ..fidelity.report import draw_report
from ..node_parts.before_run import check_values
from ..node_parts.lpips_file import CHOICES, WHERE_INSTALLED, fingerprint, lpips_file
from ..node_parts.wire_types import CATEGORY

LARGEST = 16 * 1024**2
"""Pixels of a picture that can be measured in reasonable time."""


class CellStyleFidelity(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleFidelity",
            display_name="Cell Style Fidelity",
            category=CATEGORY,
            description=(
                "Measures how much of a micrograph's structure survived the style, and how close the style came: a "
                "report to look at, and numbers. A batch gives one report a pair and the mean of each number."
            ),
            is_output_node=True,
            search_aliases=[
                "ssim",
                "ms-ssim",
                "image quality",
                "compare images",
                "structure",
                "segmentation",
                "nuclei",
            ],
            inputs=[
                io.Image.Input("content", tooltip="The micrograph as it was. One, or as many as there are results."),
                io.Image.Input(
                    "result",
                    tooltip=(
                        "What the style made of it. One, or as many as there are contents. Another size is resized to "
                        "the content's, and the report says so."
                    ),
                ),
                io.Image.Input(
                    "style",
                    optional=True,
                    tooltip="The style picture, for the colour and texture distances. One, or one a pair; any size.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip=(
                        "Only this part of content and result is measured, such as the mask of Load Micrograph. "
                        "One, or "
                        "one a pair."
                    ),
                ),
                io.Float.Input(
                    "edge_tolerance",
                    default=2.0,
                    min=0.0,
                    max=64.0,
                    step=0.5,
                    tooltip="Pixels that an edge may move and still count as kept. Higher is more forgiving.",
                ),
                io.Float.Input(
                    "edge_sigma",
                    default=1.5,
                    min=0.0,
                    max=16.0,
                    step=0.1,
                    advanced=True,
                    tooltip=(
                        "Blur in pixels before edges are looked for. Higher: only coarse outlines count, grain does "
                        "not."
                    ),
                ),
                io.Combo.Input(
                    "object_polarity",
                    options=list(POLARITIES),
                    default="auto",
                    advanced=True,
                    tooltip=(
                        "What an object is: darker than its surroundings (brightfield) or brighter (fluorescence), "
                        "in both pictures. auto finds out, also when the style turned the picture into its negative."
                    ),
                ),
                io.Int.Input(
                    "least_area",
                    default=30,
                    min=1,
                    max=1_000_000,
                    advanced=True,
                    tooltip=(
                        "Pixels that an object must have. Higher: specks are left out, and touching objects split less."
                    ),
                ),
                io.Float.Input(
                    "least_iou",
                    default=0.5,
                    min=0.05,
                    max=1.0,
                    step=0.05,
                    advanced=True,
                    tooltip=(
                        "Overlap (intersection over union) from which an object counts as matched. Higher is stricter."
                    ),
                ),
                io.Int.Input(
                    "panel_size",
                    default=400,
                    min=360,
                    max=1024,
                    step=8,
                    advanced=True,
                    tooltip="Width of each of the report's six panels in pixels. Higher: a larger report.",
                ),
                io.Int.Input(
                    "largest_area",
                    default=0,
                    min=0,
                    max=16_000_000,
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "Pixels that an object may have. Lower: tissue and clumps are no objects, only what stands out "
                        "in them. 0: a 64th of the picture, more where most of what stands out is larger."
                    ),
                ),
                io.Combo.Input(
                    "lpips",
                    options=list(CHOICES),
                    default=WHERE_INSTALLED,
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "A distance that follows what people find alike, by AlexNet (alex) or VGG16 (vgg). Their "
                        "weights are not part of the pack: the help says how to put them into models/lpips. where "
                        "installed: alex, else vgg, else none."
                    ),
                ),
            ],
            outputs=[
                io.Image.Output(display_name="report", tooltip="One sheet a pair, all of one size."),
                io.Float.Output(
                    display_name="ssim",
                    tooltip=(
                        "Structural similarity of what stands out from the ground, in whatever colour, -1 to 1; 1 is "
                        "identical. A negative scores low."
                    ),
                ),
                io.Float.Output(display_name="ms_ssim", tooltip="The same over up to five scales, 0 to 1."),
                io.Float.Output(display_name="edge_f1", tooltip="Edges kept and not made up, 0 to 1."),
                io.Float.Output(
                    display_name="edge_precision", tooltip="Share of the result's edges that the content has, 0 to 1."
                ),
                io.Float.Output(
                    display_name="edge_recall", tooltip="Share of the content's edges that the result has, 0 to 1."
                ),
                io.Float.Output(
                    display_name="gradient_correlation",
                    tooltip="Whether lines run the same way, -1 to 1; colour, contrast and a negative play no part.",
                ),
                io.Float.Output(
                    display_name="objects_matched", tooltip="Share of the content's objects found again, 0 to 1."
                ),
                io.Float.Output(
                    display_name="colour_distance",
                    tooltip=(
                        "Between the palettes of result and style, in CIELAB units; 0 is the same, -1 is no style "
                        "given."
                    ),
                ),
                io.Float.Output(
                    display_name="texture_distance",
                    tooltip="Between the textures of result and style, 0 (the same) to 1; -1 is no style given.",
                ),
                io.String.Output(
                    display_name="json", tooltip="Everything: each pair, counts, sizes, settings, versions."
                ),
                io.Float.Output(
                    display_name="flicker",
                    tooltip=(
                        "For a batch that is a time-lapse: change from frame to frame in the result / in the content, "
                        "where nothing moves. 1 is as calm as the content; -1 is no time-lapse."
                    ),
                ),
                io.Float.Output(
                    display_name="lpips",
                    tooltip=(
                        "How different content and result look, by a trained network: 0 is the same, 1 nothing alike; "
                        "-1 is not installed, off, or a picture below 64 pixels."
                    ),
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, lpips=WHERE_INSTALLED):
        if lpips is not None:
            check_values(cls, {"lpips": lpips})
            lpips_file(lpips)
        return True

    @classmethod
    def fingerprint_inputs(cls, lpips=WHERE_INSTALLED, **kwargs):
        return fingerprint(lpips)

    @classmethod
    def execute(cls, content, result, style=None, mask=None, panel_size=400, lpips=WHERE_INSTALLED, **settings):
        settings = Settings(**settings)
        pictures = {"content": _pictures(content, "content"), "result": _pictures(result, "result")}
        if style is not None:
            pictures["style"] = _pictures(style, "style")
        if mask is not None:
            pictures["mask"] = _masks(mask)
        count = _count(pictures)
        network = _network(lpips, pictures["content"].shape[1:3])
        measured = []
        for n in range(count):
            # one picture for all pairs, or one a pair
            one = {key: batch[n if len(batch) > 1 else 0] for key, batch in pictures.items()}
            measured.append(measure(**one, settings=settings, lpips=network))
        flicker = batch_flicker(measured)
        sheets = [draw_report(one, settings, panel_size, (n, count), flicker) for n, one in enumerate(measured, 1)]
        report = torch.from_numpy(np.stack(sheets))
        means = mean_numbers(measured)
        record = json.dumps(to_record(measured, settings), indent=1)
        numbers = (*(means[key] for key in NUMBERS), record, flicker, mean_lpips(measured))
        return io.NodeOutput(report, *numbers, ui=ui.PreviewImage(report))


def _network(choice: str, shape: tuple[int, int]) -> Lpips | None:
    """LPIPS's network with room made for pictures of that (height, width), or None: see `lpips_file`."""
    found = lpips_file(choice)
    if found is None:
        return None
    network, path = found
    device = comfy.model_management.get_torch_device()
    comfy.model_management.free_memory(bytes_needed(network, shape), device)
    return Lpips(read_lpips(path, network), network, device)


def _pictures(image: torch.Tensor, what: str) -> np.ndarray:
    if not torch.is_tensor(image) or image.ndim != 4 or image.shape[0] == 0:
        shape = tuple(image.shape) if torch.is_tensor(image) else type(image).__name__
        raise ValueError(f"{what} is {shape}; a batch of pictures (batch, height, width, channels) is expected.")
    if image.shape[1] * image.shape[2] > LARGEST:
        raise ValueError(
            f"{what} has {image.shape[2]} x {image.shape[1]} pixels; at most {LARGEST / 1e6:.0f} million can be "
            "measured. Crop it, or make it smaller first."
        )
    return image.detach().float().cpu().numpy()


def _masks(mask: torch.Tensor) -> np.ndarray:
    mask = mask.detach().float().cpu().numpy()
    mask = mask[None] if mask.ndim == 2 else mask
    if mask.ndim != 3 or len(mask) == 0:
        raise ValueError(f"mask has shape {mask.shape}; (batch, height, width) is expected. Connect a MASK.")
    return mask


def _count(pictures: dict[str, np.ndarray]) -> int:
    """How many pairs. Raises ValueError that names both counts where they do not fit."""
    contents, results = len(pictures["content"]), len(pictures["result"])
    count = paired_count(contents, results, "contents", "results")
    for key in ("style", "mask"):
        given = len(pictures.get(key, ()))
        if given and not one_or_all(given, count):
            raise ValueError(f"{given} {key}s do not fit {count} pairs. Give one, or one a pair.")
    return count
