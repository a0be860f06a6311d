#!/usr/bin/env python3
"""docs/images/demo.jpg, the README's first picture: contents down, styles across, by the preset "painterly".

.host/venv/bin/python tools/make_readme_picture.py
"""

import sys

from host_layout import ROOT
from picture_studio import PASS, Studio, single_cell
from PIL import Image, ImageDraw, ImageFont

# isort: split
from bench_models import use_pack

sys.path.append(str(ROOT / "tools" / "demo_model"))

STYLES = ("porcelain", "ink wash", "impression", "durian", "mural", "woodblock", "stained glass")
GAMMA, TAU = 0.3, 1.5
TARGET = ROOT / "docs" / "images" / "demo.jpg"
SIDE, TILE, GAP, LABEL = 256, 184, 5, 20
PAPER, INK, MUTED = "#fbfaf7", "#1d1d1f", "#6e6e73"


def main() -> None:
    """Run every pair and compose the grid."""
    use_pack()
    import torch

    with torch.inference_mode():
        studio = Studio()
        studio.pictures |= drawn()
        contents = ("tissue section", "chloroplast", "fluorescence", "plant cells", "single cell")
        compose(studio, contents).save(TARGET, quality=84, optimize=True)
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size // 1000} kB")


def drawn() -> dict:
    """Label -> IMAGE of what is shown: photographs that scikit-image carries, examples, and two of the generator's."""
    import numpy as np
    import torch
    from contents import CONTENTS
    from example_pictures import picture
    from styles import STYLES as FAMILIES

    made = {
        "fluorescence": CONTENTS["fluorescence"](np.random.default_rng(7_003), SIDE, SIDE),
        "stained glass": FAMILIES["stained_glass"](np.random.default_rng(7_100), SIDE, SIDE),
    }
    examples = {"tissue section": "photograph", "chloroplast": "tem_chloroplast", "plant cells": "plant_cells"}
    examples |= {style: style.replace(" ", "_") for style in STYLES if style not in made}
    return {
        "single cell": single_cell(SIDE),
        **{label: torch.from_numpy(np.asarray(image, np.float32))[None] for label, image in made.items()},
        **{label: picture(name) for label, name in examples.items()},
    }


def compose(studio: Studio, contents: tuple[str, ...]) -> Image.Image:
    """The sheet: styles above, contents at the left, and what each pair became."""
    size = [(TILE + GAP) * (len(STYLES) + 1) + GAP, LABEL + (TILE + GAP) * (len(contents) + 1) + GAP]
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(24), ImageFont.load_default(14)

    def put(image, column: int, row: int) -> None:
        array = (image[0].clamp(0, 1) * 255).round().byte().cpu().numpy()
        tile = Image.fromarray(array).resize((TILE, TILE), Image.Resampling.LANCZOS)
        sheet.paste(tile, (GAP + column * (TILE + GAP), LABEL + row * (TILE + GAP)))

    draw.text((GAP + 4, LABEL + 54), "CellStyle", INK, font)
    facts = (f"gamma {GAMMA:g}, tau {TAU:g}", f"{3 * PASS['steps']} network calls,", "embedded demo model")
    for i, line in enumerate(facts):
        draw.text((GAP + 4, LABEL + 90 + 18 * i), line, MUTED, small)
    for column, style in enumerate(STYLES, 1):
        draw.text((GAP + column * (TILE + GAP) + 3, 2), style, MUTED, small)
        put(studio.picture(style), column, 0)
    for row, content in enumerate(contents, 1):
        put(studio.picture(content), 0, row)
        for column, style in enumerate(STYLES, 1):
            put(studio.transfer(content, style, gamma=GAMMA, tau=TAU), column, row)
            print(f"{content}, {style}", flush=True)
    return sheet


if __name__ == "__main__":
    main()
