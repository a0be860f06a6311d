#!/usr/bin/env python3
"""Cut the README's pictures of the front end, docs/images/front_end/*.jpg, out of the browser tests' screenshots.

CELLSTYLE_SCREENSHOTS=output/shots python3 tools/test.py tests/test_browser.py tests/test_browser_help.py
.host/venv/bin/python tools/make_screenshots.py
"""

from __future__ import annotations

import sys

from host_layout import ROOT
from PIL import Image

SHOTS, FOLDER = ROOT / "output" / "shots", ROOT / "docs" / "images" / "front_end"
BESIDE_THE_HELP = (680, 38, 2000, 974)
# name: (screenshot, left, top, right and bottom in it, width in the README's folder)
CUTS = {
    "demo": ("result", (0, 38, 1210, 990), 1210),
    "templates": ("template_browser", (0, 0, 2000, 1180), 1500),
    "help": ("help_page", BESIDE_THE_HELP, 1320),
    "chinese": ("chinese", BESIDE_THE_HELP, 1320),
}
QUALITY = 86


def main() -> int:
    """Write all four; returns the exit code."""
    missing = [shot for shot, *_ in CUTS.values() if not (SHOTS / f"{shot}.jpg").exists()]
    if missing:
        sys.exit(f"output/shots has no {', '.join(missing)}: run the browser tests first, as above.")
    for name, (shot, box, width) in CUTS.items():
        picture = Image.open(SHOTS / f"{shot}.jpg").crop(box)
        picture = picture.resize((width, picture.height * width // picture.width), Image.Resampling.LANCZOS)
        path = FOLDER / f"{name}.jpg"
        picture.save(path, quality=QUALITY, optimize=True)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
