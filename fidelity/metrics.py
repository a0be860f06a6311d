"""All measures of one content and its result, together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy
import skimage

from .edges import EdgeAgreement, edge_agreement
from .flicker import flicker
from .gradients import change_map, gradient_correlation
from .objects import ObjectMatch, match_objects
from .pictures import check_mask, check_picture, resize, strongest_channel
from .similarity import ms_ssim, ssim
from .style import colour_distance, texture_distance

if TYPE_CHECKING:  # torch, which a process that scores without LPIPS does not load
    from .lpips import Lpips

NOT_MEASURED = -1.0
"""Stands for a distance to no style, or by a network that is not there; a real one is never negative."""

NUMBERS = (
    "ssim",
    "ms_ssim",
    "edge_f1",
    "edge_precision",
    "edge_recall",
    "gradient_correlation",
    "objects_matched",
    "colour_distance",
    "texture_distance",
)


@dataclass(frozen=True)
class Settings:
    """How to measure; pixels are the content's.

    edge_tolerance: pixels an edge may move. edge_sigma: blur before edges are looked for. object_polarity: see
    objects.segment. least_area, largest_area: of an object, in pixels; largest 0: see objects.SHARES. least_iou: of a
    match.
    """

    edge_tolerance: float = 2.0
    edge_sigma: float = 1.5
    object_polarity: str = "auto"
    least_area: int = 30
    least_iou: float = 0.5
    largest_area: int = 0


@dataclass(frozen=True)
class Measured:
    """Numbers by name (NUMBERS, and lpips), counts and facts, and what the report draws."""

    numbers: dict[str, float]
    facts: dict
    content: np.ndarray
    result: np.ndarray
    style: np.ndarray | None
    mask: np.ndarray | None
    change: np.ndarray
    edges: EdgeAgreement
    objects: ObjectMatch


def measure(
    content: np.ndarray,
    result: np.ndarray,
    style: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    settings: Settings | None = None,
    lpips: Lpips | None = None,
) -> Measured:
    """Measures a pair.

    Args:
        content, result, style: (height, width, 1, 3 or 4) in 0..1. A result of another size than the content is resized
            to it, with antialiasing, for every measure, and `facts` say so; the style keeps its size.
        mask: (height, width); only content and result where it is 0.5 or more (SSIM, LPIPS: weighted) are measured.
        lpips: the network, ready; None leaves that distance out.
    Raises: ValueError: see pictures.check_picture and check_mask.
    """
    settings = settings or Settings()
    content, clipped_content = check_picture(content, "content")
    result, clipped_result = check_picture(result, "result")
    size = result.shape[:2]
    result = resize(result, content.shape[:2])
    weights = None if mask is None else check_mask(mask, content.shape[:2])
    inside = None if weights is None else weights >= 0.5
    x, y = strongest_channel(content), strongest_channel(result)
    multi, scales = ms_ssim(x, y, weights)
    edges = edge_agreement(content, result, settings.edge_tolerance, settings.edge_sigma, inside)
    objects = match_objects(
        *(x, y, settings.object_polarity, settings.least_area, settings.least_iou, inside, settings.largest_area)
    )
    numbers = {
        "ssim": ssim(x, y, weights),
        "ms_ssim": multi,
        "edge_f1": edges.f1,
        "edge_precision": edges.precision,
        "edge_recall": edges.recall,
        "gradient_correlation": gradient_correlation(content, result, weights),
        "objects_matched": objects.fraction,
        "colour_distance": NOT_MEASURED,
        "texture_distance": NOT_MEASURED,
    }
    apart = None if lpips is None else lpips.distance(content, result, weights)
    numbers["lpips"] = NOT_MEASURED if apart is None else apart
    if style is not None:
        style, _ = check_picture(style, "style")
        numbers["colour_distance"] = colour_distance(result, style, inside)
        numbers["texture_distance"] = texture_distance(result, style, inside)
    facts = {
        "content_size": list(content.shape[1::-1]),
        "result_size": [size[1], size[0]],
        "result_resized": tuple(size) != content.shape[:2],
        "style_size": None if style is None else list(style.shape[1::-1]),
        "lpips_network": None if apart is None else lpips.network,
        "measured_share": 1.0 if inside is None else float(inside.mean()),
        "ms_ssim_scales": scales,
        "edge_pixels": {"content": edges.content_edges, "result": edges.result_edges},
        "objects": {
            "content": objects.content_objects,
            "result": objects.result_objects,
            "matched": objects.matched,
            "f1": objects.f1,
            "mean_iou": objects.mean_iou,
            "content_polarity": objects.content_polarity,
            "result_polarity": objects.result_polarity,
            "largest_area": objects.largest_area,
        },
        "clipped_values": {"content": clipped_content, "result": clipped_result},
    }
    return Measured(numbers, facts, content, result, style, weights, change_map(content, result), edges, objects)


def batch_flicker(measured: list[Measured]) -> float:
    """Flicker of pairs that are the frames of one time-lapse, in order; `NOT_MEASURED` where they are none."""
    shapes = {one.content.shape for one in measured}
    value = None
    if len(shapes) == 1:
        mask = measured[0].mask
        frames = [one.content for one in measured], [one.result for one in measured]
        value = flicker(*frames, None if mask is None else mask >= 0.5)
    return NOT_MEASURED if value is None else value


def to_record(measured: list[Measured], settings: Settings) -> dict:
    """Everything as JSON data: the means, each pair, the settings and the libraries' versions. No style: null."""

    def plain(numbers):
        return {key: None if value == NOT_MEASURED else value for key, value in numbers.items()}

    return {
        "cellstyle_fidelity": 1,
        "mean": plain({**mean_numbers(measured), "lpips": mean_lpips(measured)}),
        **plain({"flicker": batch_flicker(measured)}),
        "pairs": [{**plain(one.numbers), **one.facts} for one in measured],
        "settings": asdict(settings),
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-image": skimage.__version__},
    }


def mean_numbers(measured: list[Measured]) -> dict[str, float]:
    """Each number's mean over the pairs."""
    return {key: float(np.mean([one.numbers[key] for one in measured])) for key in NUMBERS}


def mean_lpips(measured: list[Measured]) -> float:
    """LPIPS's mean over the pairs; `NOT_MEASURED` where it was not measured. All pairs of a batch are of one size."""
    values = [one.numbers["lpips"] for one in measured]
    return NOT_MEASURED if NOT_MEASURED in values else float(np.mean(values))
