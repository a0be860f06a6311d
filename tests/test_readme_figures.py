"""The README's memory table, computed again from the node's own estimate."""

from __future__ import annotations

import re

import pytest
from cellstyle.attention_patch.architectures.choose import architecture_of
from comfy_test_nodes.tiny_models import tiny_model
from places import ROOT

NARROWER = 10  # the tiny models have a tenth of the real channels


def lines() -> list[list[str]]:
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## What it needs")[1].split("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if " x " in line]
    assert len(cells) >= 4
    return cells


@pytest.mark.parametrize("cells", lines(), ids=lambda cells: f"{cells[0]}, {cells[1]} steps")
def test_the_memory_table_is_what_the_nodes_estimate(cells):
    name, pixels = re.match(r"(SD 1.5|SDXL), (\d+) x \d+", cells[0]).groups()
    steps, side = int(cells[1]), int(pixels) // 8
    unet = architecture_of(tiny_model("sdxl" if name == "SDXL" else "sd15"))
    features = unet.predicted_bytes(unet.auto(), (1, 4, side, side), steps, 2, "style") * NARROWER
    trajectory = 4 * side * side * steps * 4
    stated = [float(cell.removesuffix(" MB")) for cell in cells[2:]]
    assert stated == pytest.approx([features / 1e6, features / 2e6, trajectory / 1e6], rel=0.01, abs=0.05)
