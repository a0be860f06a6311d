"""Pictures in rows and columns under their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..common.palette import FAINT, INK, LINE, PAPER


def draw_sheet(
    pictures: Sequence[np.ndarray], rows: Sequence[str], columns: Sequence[str], longest_side: int, footer: str = ""
) -> np.ndarray:
    """A contact sheet.

    Args:
        pictures: row by row, all of one size, (height, width, 1, 3 or 4) in 0..1; NaN shows as black.
        rows, columns: labels, "gamma 0.3"; len(rows) * len(columns) pictures.
        longest_side: pixels of a picture's longer side on the sheet; pictures are never enlarged.
        footer: one line below; parts after a middle dot are left out where the sheet is too narrow for them.
    Returns: (height, width, 3) float32 in 0..1.
    Raises: ValueError: more or fewer pictures than labels ask for.
    """
    if len(pictures) != len(rows) * len(columns):
        raise ValueError(f"{len(pictures)} pictures for {len(rows)} rows and {len(columns)} columns.")
    height, width = pictures[0].shape[:2]
    scale = min(1.0, longest_side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    unit = min(max(round(max(size) / 22), 11), 40)  # the letters grow with the pictures
    font, small = ImageFont.load_default(unit), ImageFont.load_default(max(11, round(unit * 0.7)))
    gap = max(4, unit // 2)
    left = gap * 3 + max(_width(label, font) for label in rows)
    top = gap * 3 + unit
    # a label that is wider than its picture needs the room
    cell = (max(size[0], *(_width(label, font) for label in columns)), max(size[1], unit + gap))
    step = (cell[0] + gap, cell[1] + gap)
    bottom = gap + (round(unit * 0.7) + gap * 2 if footer else 0)
    sheet = Image.new("RGB", (left + step[0] * len(columns) + gap, top + step[1] * len(rows) + bottom), PAPER)
    pen = ImageDraw.Draw(sheet)
    for c, label in enumerate(columns):
        pen.text((left + c * step[0] + cell[0] // 2, top - gap - unit // 2), label, INK, font, anchor="mm")
    for r, label in enumerate(rows):
        pen.text((left - gap * 2, top + r * step[1] + cell[1] // 2), label, INK, font, anchor="rm")
    for i, picture in enumerate(pictures):
        r, c = divmod(i, len(columns))
        x, y = left + c * step[0] + (cell[0] - size[0]) // 2, top + r * step[1] + (cell[1] - size[1]) // 2
        pen.rectangle((x - 1, y - 1, x + size[0], y + size[1]), outline=LINE)
        sheet.paste(_image(picture, size), (x, y))
    while footer and left + _width(footer, small) + gap > sheet.width:
        footer = footer.rpartition(" \u00b7 ")[0]
    if footer:
        pen.text((left, sheet.height - gap), footer, FAINT, small, anchor="ls")
    return np.asarray(sheet, np.float32) / np.float32(255)


def _width(label: str, font) -> int:
    return int(np.ceil(font.getlength(label)))


def _image(picture: np.ndarray, size: tuple[int, int]) -> Image.Image:
    picture = np.clip(np.nan_to_num(np.asarray(picture, np.float32)[..., :3]), 0, 1)
    if picture.shape[2] != 3:
        picture = np.repeat(picture[..., :1], 3, axis=2)
    image = Image.fromarray(np.rint(picture * 255).astype(np.uint8))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
