#!/usr/bin/env python3
"""docs/images/demo.jpg from what tools/demo.py left in output/demo: contents down, styles across.

python3 tools/demo.py && .host/venv/bin/python tools/make_readme_picture.py [FOLDER]
"""

import sys
from pathlib import Path

from demo import OUTPUT
from demo_graph import dial, read_workflow
from demo_pictures import INK, MUTED, contents, styles
from host_layout import ROOT
from PIL import Image, ImageDraw, ImageFont, ImageOps

CONTENTS = ("tissue", "chloroplast", "cell")
STYLES = ("porcelain", "ink wash", "impression", "durian", "mural")
TARGET = ROOT / "docs" / "images" / "demo.jpg"
TILE, GAP, LABEL = 236, 6, 22


def main(folder: Path) -> None:
    """Compose the grid and write it."""
    given = {each.name: each.image for each in contents(384)}
    wanted = {each.name: each.image for each in styles(384)}
    size = [TILE + (TILE + GAP) * len(STYLES) + 2 * GAP, LABEL + (TILE + GAP) * (len(CONTENTS) + 1) + GAP]
    sheet = Image.new("RGB", size, "#fbfaf7")
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(22), ImageFont.load_default(15)

    def put(picture: Image.Image, column: int, row: int) -> None:
        place = (GAP + column * (TILE + GAP), LABEL + row * (TILE + GAP))
        sheet.paste(ImageOps.fit(picture.convert("RGB"), (TILE, TILE), Image.Resampling.LANCZOS), place)

    graph = read_workflow()
    draw.text((GAP + 4, LABEL + 70), "CellStyle", INK, font)
    facts = [
        f"gamma {dial(graph, 'InjectedSampler', 'gamma'):g}, tau {dial(graph, 'InjectedSampler', 'tau'):g}",
        f"{dial(graph, 'DDIMInvert', 'steps')} steps, embedded demo model",
    ]
    for i, line in enumerate(facts):
        draw.text((GAP + 4, LABEL + 108 + 22 * i), line, MUTED, small)
    for column, style in enumerate(STYLES, 1):
        draw.text((GAP + column * (TILE + GAP) + 4, 2), style, MUTED, small)
        put(wanted[style], column, 0)
    for row, content in enumerate(CONTENTS, 1):
        put(given[content], 0, row)
        for column, style in enumerate(STYLES, 1):
            put(Image.open(folder / f"{content}_{style.replace(' ', '_')}.png"), column, row)
    sheet.save(TARGET, quality=86, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else OUTPUT)
