"""The report: content, result, where structure changed, edges, objects and the numbers on one sheet."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..common.palette import FAINT, INK, LINE, PAPER
from . import drawing
from .drawing import LOST, MATCHED, NEW
from .metrics import NOT_MEASURED, Measured, Settings
from .pictures import strongest_channel

MARGIN, GAP, HEADER, TITLE, CAPTION, FOOTER = 28, 24, 66, 30, 30, 34
TABLE_HEIGHT, LPIPS_HEIGHT = 372, 28
"""Least height of a panel, and what LPIPS's line adds to it: the table must fit."""

NETWORKS = {"alex": "AlexNet", "vgg": "VGG16"}
GREEN = 0.5
"""From here a bar is green: more of the structure was kept than lost."""

STRUCTURE = (
    ("SSIM", "ssim"),
    ("Multi-scale SSIM", "ms_ssim"),
    ("Edge agreement, F1", "edge_f1"),
    ("Gradient correlation", "gradient_correlation"),
    ("Objects matched", "objects_matched"),
)


def draw_report(
    measured: Measured,
    settings: Settings,
    panel: int = 400,
    number: tuple[int, int] = (1, 1),
    flicker: float = NOT_MEASURED,
) -> np.ndarray:
    """One report.

    Args:
        panel: width of each of the six panels in pixels, at least 320.
        number: which pair of how many, for the header. flicker: of the batch, see metrics.batch_flicker.
    Returns: (height, width, 3) float32 in 0..1; the size depends on `panel`, on the content's proportions and on
        whether LPIPS was measured.
    """
    height, width = measured.content.shape[:2]
    least = TABLE_HEIGHT + LPIPS_HEIGHT * (measured.numbers["lpips"] != NOT_MEASURED)
    frame = (panel, int(np.clip(round(panel * height / width), least, max(least, 1.5 * panel))))
    row = TITLE + frame[1] + CAPTION
    sheet = Image.new("RGB", (2 * MARGIN + 3 * panel + 2 * GAP, HEADER + 2 * row + GAP + FOOTER + MARGIN // 2), PAPER)
    pen = ImageDraw.Draw(sheet)
    _header(pen, sheet.width, number, flicker)
    at = [(MARGIN + c * (panel + GAP), HEADER + r * (row + GAP)) for r in range(2) for c in range(3)]
    left, top, w, h = drawing.placed((width, height), frame)
    light = strongest_channel(measured.content)
    inside = None if measured.mask is None else measured.mask >= 0.5

    def put(place: int, title: str, canvas) -> tuple[int, int]:
        x, y = at[place]
        pen.text((x, y), title, INK, _font(17))
        pen.rectangle((x, y + TITLE, x + frame[0] - 1, y + TITLE + frame[1] - 1), fill=(240, 240, 238))
        image = canvas if isinstance(canvas, Image.Image) else drawing.to_image(canvas, (w, h))
        sheet.paste(image, (x + left, y + TITLE + top))
        return x, y + TITLE + frame[1] + 7

    put(0, "Content", drawing.to_image(measured.content, (w, h)))
    put(1, "Result", drawing.to_image(measured.result, (w, h)))
    top_change = drawing.heat_top(measured.change)
    heat = drawing.to_image(drawing.heat_map(measured.change, light, top_change), (w, h))
    heat = np.asarray(heat, np.float64) / 255
    x, y = put(2, "Where structure changed", drawing.shade_outside(heat, inside))
    _colour_bar(sheet, pen, x, y, top_change)
    pale = drawing.pale(light, (w, h))
    x, y = put(3, "Edges", drawing.shade_outside(drawing.edge_overlay(pale, measured.edges), inside))
    edges, objects = measured.edges, measured.objects
    counts = (int(edges.matched.sum()), int(edges.lost.sum()), int(edges.new.sum()))
    _legend(pen, x, y, [("kept", counts[0], MATCHED), ("lost", counts[1], LOST), ("new", counts[2], NEW)], "px")
    x, y = put(4, "Objects", drawing.shade_outside(drawing.object_overlay(pale, objects), inside))
    lost, new = objects.content_objects - objects.matched, objects.result_objects - objects.matched
    _legend(pen, x, y, [("matched", objects.matched, MATCHED), ("lost", lost, LOST), ("new", new, NEW)], "")
    _table(sheet, pen, at[5], frame, measured)
    _footer(pen, sheet, measured, settings)
    return np.asarray(sheet, np.float32) / np.float32(255)


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _header(pen, width: int, number: tuple[int, int], flicker: float) -> None:
    pen.text((MARGIN, 18), "Structure fidelity", INK, _font(26))
    if number[1] > 1:
        note = "" if flicker == NOT_MEASURED else f"flicker {flicker:.2f} (1 = as its source)   \u00b7   "
        pen.text((width - MARGIN, 26), f"{note}pair {number[0]} of {number[1]}", FAINT, _font(16), anchor="ra")
    pen.line((MARGIN, HEADER - 10, width - MARGIN, HEADER - 10), LINE, 1)


def _colour_bar(sheet, pen, x: int, y: int, top: float) -> None:
    bar = 140
    strip = drawing.heat_map(np.tile(np.linspace(0, top, bar), (10, 1)), np.zeros((10, bar)), top)
    pen.text((x, y), "unchanged 0", FAINT, _font(13))
    start = x + 84
    sheet.paste(drawing.to_image(strip, (bar, 10)), (start, y + 4))
    pen.text((start + bar + 8, y), f"{top:.2f} lost, new, turned", FAINT, _font(13))


def _legend(pen, x: int, y: int, entries, unit: str) -> None:
    for word, count, colour in entries:
        pen.rectangle((x, y + 3, x + 11, y + 13), fill=colour)
        text = f"{word} {count:,}{' ' + unit if unit else ''}"
        pen.text((x + 18, y), text, FAINT, _font(13))
        x += 18 + int(pen.textlength(text, _font(13))) + 18


def _table(sheet, pen, at: tuple[int, int], frame: tuple[int, int], measured: Measured) -> None:
    x, y = at
    right = x + frame[0]
    pen.text((x, y), "Structure kept", INK, _font(17))
    pen.text((right, y + 4), f"1 = as in the content, green from {GREEN:g}", FAINT, _font(13), anchor="ra")
    y += TITLE
    for label, key in STRUCTURE:
        value = measured.numbers[key]
        note = ""
        if key == "edge_f1":
            precision, recall = measured.numbers["edge_precision"], measured.numbers["edge_recall"]
            note = f"precision {precision:.2f}, recall {recall:.2f}"
        elif key == "objects_matched":
            objects = measured.objects
            note = f"{objects.matched} of {objects.content_objects}, found {objects.result_objects}"
        elif key == "ms_ssim":
            note = f"{measured.facts['ms_ssim_scales']} of 5 scales"
        _row(pen, x, right, y, label, f"{value:.3f}", note)
        _bar(pen, x, right, y + 28, value)
        y += 45
    if measured.numbers["lpips"] != NOT_MEASURED:
        note = f"{NETWORKS[measured.facts['lpips_network']]}, 0 = looks the same"
        _row(pen, x, right, y, "LPIPS", f"{measured.numbers['lpips']:.3f}", note)
        y += LPIPS_HEIGHT
    y += 14
    pen.text((x, y), "Distance to the style", INK, _font(17))
    pen.text((right, y + 4), "0 = the style itself", FAINT, _font(13), anchor="ra")
    y += TITLE
    if measured.style is None:
        pen.text((x, y + 4), "no style connected", FAINT, _font(15))
        return
    thumb = 62
    _, top, w, h = drawing.placed(measured.style.shape[1::-1], (thumb, thumb))
    sheet.paste(drawing.to_image(measured.style, (w, h)), (x, y + top))
    x += w + 16
    _row(pen, x, right, y + 6, "Colour", f"{measured.numbers['colour_distance']:.2f}", "CIELAB units")
    _row(pen, x, right, y + 36, "Texture", f"{measured.numbers['texture_distance']:.3f}", "0 to 1")


def _row(pen, x: int, right: int, y: int, label: str, value: str, note: str) -> None:
    pen.text((x, y + 3), label, INK, _font(15))
    pen.text((right, y), value, INK, _font(18), anchor="ra")
    if note:
        pen.text((right - 66, y + 5), note, FAINT, _font(13), anchor="ra")


def _bar(pen, x: int, right: int, y: int, value: float) -> None:
    pen.rectangle((x, y, right - 1, y + 5), fill=(232, 232, 229))
    length = round((right - x) * min(max(value, 0.0), 1.0))
    if length:
        pen.rectangle((x, y, x + length - 1, y + 5), fill=MATCHED if value >= GREEN else LOST)
    tick = x + round((right - x) * GREEN)
    pen.line((tick, y - 2, tick, y + 7), INK, 1)


def _footer(pen, sheet, measured: Measured, settings: Settings) -> None:
    facts = measured.facts
    parts = ["{} x {} px".format(*facts["content_size"])]
    if facts["result_resized"]:
        parts.append("result resized from {} x {}".format(*facts["result_size"]))
    if facts["measured_share"] < 1:
        parts.append(f"{facts['measured_share']:.0%} of the picture measured (mask)")
    parts.append(f"edges may move {settings.edge_tolerance:g} px")
    parts.append(
        f"objects of {settings.least_area} to {measured.objects.largest_area} px, matched at IoU {settings.least_iou:g}"
    )
    pen.text((MARGIN, sheet.height - FOOTER + 4), "   \u00b7   ".join(parts), FAINT, _font(13))
