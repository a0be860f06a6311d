#!/usr/bin/env python3
"""The registry's pictures: docs/images/icon.png, a drawing, and docs/images/banner.jpg by the embedded demo model.

.host/venv/bin/python tools/make_art.py
"""

import numpy as np
from demo_pictures import contents, styles
from host_layout import ROOT
from picture_studio import Studio
from PIL import Image, ImageDraw, ImageFont

# isort: split
from bench_models import use_pack

IMAGES = ROOT / "docs" / "images"
ICON, FINER = 400, 4  # drawn larger, then averaged
BANNER, PLATE = (1260, 540), 132
PAPER, INK, WASH, GLOW, LAMELLA = (250, 248, 241), (24, 32, 48), (120, 134, 150), (38, 214, 128), (186, 255, 206)
PANELS = ("", "porcelain", "ink wash", "impression", "durian", "mural")
GAMMA = 0.3


def icon() -> Image.Image:
    """A chloroplast, half as a fluorescence micrograph and half as ink wash."""
    side = ICON * FINER
    y, x = (np.mgrid[:side, :side] + 0.5) / side * 2 - 1
    turned = np.deg2rad(-24)
    u, v = x * np.cos(turned) + y * np.sin(turned), y * np.cos(turned) - x * np.sin(turned)
    inside = 1 - (np.abs(u) / 0.86) ** 2.3 - (np.abs(v) / 0.56) ** 2.1  # 0 on the envelope
    brush = 0.055 + 0.035 * np.sin(2.2 * np.arctan2(v, u) + 0.8)  # a stroke swells and thins
    thylakoids = _thylakoids(u, v, inside)
    glow = np.clip(inside * 2.2 + 0.55, 0, 1) ** 1.5
    fluorescent = _mix((5, 12, 16), GLOW, 0.55 * glow)
    fluorescent = _mix(fluorescent, LAMELLA, thylakoids * 0.95)
    fluorescent = _mix(fluorescent, LAMELLA, np.clip(1 - np.abs(inside) / 0.05, 0, 1) * 0.8)
    grain = np.random.default_rng(3).normal(size=(13, 13))
    cloud = np.asarray(Image.fromarray(grain.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))
    painted = _mix(PAPER, WASH, np.clip(0.32 + 0.14 * cloud, 0, 1) * (inside > 0))
    painted = _mix(painted, INK, thylakoids * np.clip(0.88 + 0.08 * cloud, 0, 1))
    painted = _mix(painted, INK, (np.abs(inside) < brush) * 0.95)
    seam = x + 0.10 * np.sin(2.6 * y + 0.5)
    whole = np.where((seam < 0)[..., None], fluorescent, painted)
    whole = _mix(whole, PAPER, np.abs(seam) < 0.012)
    picture = Image.fromarray(whole.round().astype(np.uint8)).resize((ICON, ICON), Image.Resampling.LANCZOS)
    corners = Image.new("L", (side, side))
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, side - 1, side - 1), side * 0.2, fill=255)
    picture.putalpha(corners.resize((ICON, ICON), Image.Resampling.LANCZOS))
    return picture


def _thylakoids(u: np.ndarray, v: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Stacks of discs, as grana are seen from the side, joined by thin lamellae; 1 on them, 0 elsewhere."""
    found = np.zeros(u.shape, bool)
    for centre_u, centre_v, discs in ((-0.50, -0.02, 5), (-0.17, 0.12, 7), (0.15, -0.10, 7), (0.50, 0.05, 5)):
        for i in range(discs):
            off = (i - (discs - 1) / 2) * 0.092
            found |= (np.abs(u - centre_u) < 0.115) & (np.abs(v - centre_v - off) < 0.030)
    for height in (-0.16, 0.02, 0.19):
        found |= np.abs(v - height - 0.02 * np.sin(7 * u)) < 0.011
    return found & (inside > 0.16)


def _mix(below, above, share) -> np.ndarray:
    share = np.asarray(share, float)[..., None]
    return np.asarray(below, float) * (1 - share) + np.asarray(above, float) * share


def panels() -> list[Image.Image]:
    """A tissue section as it is, and in each of the styles."""
    import torch

    studio = Studio()
    for each in (*contents(384), *styles(384)):
        studio.pictures[each.name] = torch.from_numpy(np.asarray(each.image.convert("RGB"), np.float32) / 255)[None]
    given = studio.pictures["tissue"]
    made = [studio.transfer("tissue", style, gamma=GAMMA) if style else given for style in PANELS]
    return [Image.fromarray((image[0].clamp(0, 1) * 255).round().byte().cpu().numpy()) for image in made]


def banner(pictures: list[Image.Image]) -> Image.Image:
    """One tissue section from left to right, each panel in another style, all by the embedded demo model."""
    width, height = BANNER[0] // len(PANELS), BANNER[1] - PLATE
    sheet = Image.new("RGB", BANNER, PAPER)
    for i, picture in enumerate(pictures):
        crop = picture.height * width / height
        left = (picture.width - crop) * i / (len(PANELS) - 1)
        box = (left, 0, left + crop, picture.height)
        sheet.paste(picture.resize((width, height), Image.Resampling.LANCZOS, box=box), (i * width, 0))
    draw = ImageDraw.Draw(sheet)
    small = icon().resize((104, 104), Image.Resampling.LANCZOS)
    sheet.paste(small, (24, height + 14), small)
    draw.text((150, height + 14), "CellStyle", INK, ImageFont.load_default(52))
    text = "Style transfer for micrographs in ComfyUI. No training, and still that cell."
    draw.text((152, height + 80), text, WASH, ImageFont.load_default(26))
    return sheet


def main() -> None:
    """Draw and write both."""
    icon().save(IMAGES / "icon.png", optimize=True)
    use_pack()
    import torch

    with torch.inference_mode():
        banner(panels()).save(IMAGES / "banner.jpg", quality=86, optimize=True)


if __name__ == "__main__":
    main()
