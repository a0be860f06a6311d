#!/usr/bin/env python3
"""Cut the README's pictures of the front end, docs/images/front_end/*.jpg, out of the browser tests' screenshots.

    .host/venv/bin/python tools/make_screenshots.py [--cut]

--cut takes the screenshots that lie in output/shots; without it the tests that make them run first.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from host_layout import ROOT
from PIL import Image

SHOTS, FOLDER = ROOT / "output" / "shots", ROOT / "docs" / "images" / "front_end"
BESIDE_THE_HELP = (680, 38, 2000, 974)
# name: (screenshot, left, top, right and bottom in it, width in the README's folder)
CUTS = {
    "demo": ("result", (0, 38, 1330, 690), 1330),
    "templates": ("template_browser", (0, 0, 2000, 1180), 1500),
    "help": ("help_page", BESIDE_THE_HELP, 1320),
    "chinese": ("chinese", BESIDE_THE_HELP, 1320),
}
TESTS = (
    "test_browser.py::test_the_template_browser_lists_the_pack_and_opens_the_demo",
    "test_browser.py::test_run_shows_progress_and_the_result_and_gamma_recomputes_the_sampler_alone",
    "test_browser_help.py::test_the_help_page_opens_beside_the_graph_with_its_picture",
    "test_browser_help.py::test_in_chinese_nodes_inputs_tooltips_and_help_are_translated",
)
QUALITY = 86


def take() -> None:
    """Run the tests that take the screenshots; exits where one fails."""
    command = [sys.executable, str(ROOT / "tools" / "test.py"), *(f"tests/{test}" for test in TESTS)]
    if code := subprocess.call(command, cwd=ROOT, env={**os.environ, "CELLSTYLE_SCREENSHOTS": str(SHOTS)}):
        sys.exit(code)


def main() -> int:
    """Write all four; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cut", action="store_true", help="cut the screenshots that are in output/shots")
    if not parser.parse_args().cut:
        take()
    missing = [shot for shot, *_ in CUTS.values() if not (SHOTS / f"{shot}.jpg").exists()]
    if missing:
        sys.exit(f"output/shots has no {', '.join(missing)}: run this without --cut.")
    for name, (shot, box, width) in CUTS.items():
        picture = Image.open(SHOTS / f"{shot}.jpg").crop(box)
        picture = picture.resize((width, picture.height * width // picture.width), Image.Resampling.LANCZOS)
        path = FOLDER / f"{name}.jpg"
        picture.save(path, quality=QUALITY, optimize=True)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
