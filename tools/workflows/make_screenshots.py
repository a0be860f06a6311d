#!/usr/bin/env python3
"""Photograph the front end with the demo at work, for the README: docs/images/front_end/*.jpg.

    python3 tools/workflows/make_screenshots.py

Needs a Chromium and the Python package playwright, as the browser tests do. Make the thumbnails first.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "tests"))

from browser_page import FrontEnd, front_end
from comfy_server import ComfyServer
from host_layout import ROOT
from PIL import Image

FOLDER = ROOT / "docs" / "images" / "front_end"
WIDTH, QUALITY = 1280, 82
FIT = """() => {
  const frames = app.graph.groups.map((group) => group.boundingRect ?? group._bounding);
  const left = Math.min(...frames.map((f) => f[0])), right = Math.max(...frames.map((f) => f[0] + f[2]));
  const top = Math.min(...frames.map((f) => f[1])), bottom = Math.max(...frames.map((f) => f[1] + f[3]));
  const scale = Math.min(1500 / (right - left), 810 / (bottom - top)), view = app.canvas.ds;
  view.scale = scale;
  view.offset = [75 / scale - left, 95 / scale - top];
  app.canvas.setDirty(true, true);
}"""


def photograph(page: FrontEnd, name: str) -> None:
    """Write what the page shows."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture = Image.open(io.BytesIO(page.page.screenshot())).convert("RGB")
    picture = picture.resize((WIDTH, picture.height * WIDTH // picture.width), Image.Resampling.LANCZOS)
    path = FOLDER / f"{name}.jpg"
    picture.save(path, quality=QUALITY, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB", flush=True)


def main() -> int:
    """The template browser, the demo after a run, and the node search."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if not chromium:
        sys.exit("There is no Chromium on PATH.")
    with ComfyServer() as server, front_end(chromium, server.url) as page:
        page.page.get_by_text("Templates", exact=True).first.click()
        page.page.get_by_text("cellstyle", exact=True).first.click()
        page.page.wait_for_timeout(3000)
        photograph(page, "templates")
        page.page.keyboard.press("Escape")
        page.load(json.loads((ROOT / "workflows" / "cell_style_demo.json").read_text(encoding="utf-8")))
        page.page.evaluate("() => app.extensionManager.setting.set('Comfy.Minimap.Visible', false)")
        page.page.evaluate(FIT)
        page.run(seconds=600)
        page.page.wait_for_timeout(6000)  # the message that it is done goes away
        photograph(page, "demo")
        page.page.mouse.dblclick(1400, 900)
        page.page.wait_for_timeout(700)
        page.page.keyboard.type("StyleID")
        page.page.wait_for_timeout(2500)
        photograph(page, "search")
    return 0


if __name__ == "__main__":
    sys.exit(main())
