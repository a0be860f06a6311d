"""Draw the example pictures: python tools/demo_model/make_examples.py [styles] [contents]

Each row of a table gives a file's name, the family that draws it, its seed and its size (width, height).
"""

import importlib
import sys
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).resolve().parent.parent.parent / "example_images"

TABLES = {
    "contents": {
        "content_tem_chloroplast": ("tem_chloroplast", 26, (512, 512)),
        "content_fluorescence": ("fluorescence", 10, (512, 512)),
        "content_plant_cells": ("plant_cells", 10, (512, 512)),
        "content_tissue": ("tissue", 12, (512, 512)),
        "content_golgi": ("golgi", 11, (640, 448)),
    },
    "styles": {
        "style_porcelain": ("porcelain", 5, (512, 512)),
        "style_ink_wash": ("ink_wash", 12, (512, 512)),
        "style_impression": ("impression", 11, (512, 512)),
        "style_durian": ("durian", 2, (512, 512)),
        "style_mural": ("mural", 6, (512, 512)),
        "style_woodblock": ("woodblock", 6, (640, 448)),
    },
}


def main(groups):
    FOLDER.mkdir(exist_ok=True)
    for group in groups or TABLES:
        families = getattr(importlib.import_module(group), group.upper())
        for name, (family, seed, (width, height)) in TABLES[group].items():
            picture = families[family](np.random.default_rng(seed), height, width)
            path = FOLDER / f"{name}.png"
            Image.fromarray(np.round(picture * 255).astype(np.uint8)).save(path, optimize=True)
            print(f"{path.name}: {family}, seed {seed}, {width}x{height}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
