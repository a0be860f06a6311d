"""Scores measured beside the ComfyUIs are those of the node, to what 8 bits change."""

from __future__ import annotations

import copy
import json
import os

import numpy as np
import pytest
from cellstyle.fidelity.metrics import NUMBERS, measure
from cellstyle.fleet import command
from cellstyle.fleet.errors import FleetError
from cellstyle.fleet.manifest import merged
from cellstyle.fleet.score_process import measured
from cellstyle.fleet.scores import Scorer
from fleet_runs import GRAPH, use_stand_in, write_contents, write_style, write_workflow
from PIL import Image


def pictures() -> dict[str, np.ndarray]:
    dice = np.random.default_rng(3)
    y, x = np.mgrid[:96, :96]
    content = np.zeros((96, 96, 3), np.float32)
    for _ in range(5):
        content[np.hypot(y - dice.uniform(9, 87), x - dice.uniform(9, 87)) < 8] = dice.uniform(0.4, 1, 3)
    return {"content": content, "result": np.clip(content * 0.8 + 0.05 * dice.random((96, 96, 3)), 0, 1).astype("f4")}


def as_png(array: np.ndarray) -> bytes:
    import io

    data = io.BytesIO()
    Image.fromarray(np.round(array * 255).astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


def test_the_process_measures_what_the_node_does():
    arrays = pictures()
    given = {name: [as_png(array)] for name, array in arrays.items()}
    scorer = Scorer(1, {"least_area": 10, "panel_size": 400})
    try:
        found = json.loads(scorer.measure(given))
        with pytest.raises(FleetError, match="UnidentifiedImageError"):
            scorer.measure({"content": [b"no picture"], "result": [b"no picture"]})
        assert json.loads(scorer.measure(given)) == found  # the process lives on
    finally:
        scorer.close()
    exact = measure(arrays["content"], arrays["result"]).numbers
    for name in NUMBERS:
        assert found[name] == pytest.approx(exact[name], abs=0.03), name


def test_pairs_get_their_mean(monkeypatch):
    import sys

    from places import ROOT

    monkeypatch.syspath_prepend(str(ROOT))
    arrays = pictures()
    one, two = as_png(arrays["result"]), as_png(arrays["content"])
    found = [json.loads(measured({"content": [two], "result": r}, {})) for r in ([one], [two], [one, two])]
    assert found[2]["ssim"] == pytest.approx((found[0]["ssim"] + found[1]["ssim"]) / 2) and found[2]["pairs"] == 2
    for name in [name for name in sys.modules if name.split(".")[0] == "fidelity"]:
        del sys.modules[name]


@pytest.mark.skipif(os.name != "posix", reason="as the other runs")
@pytest.mark.parametrize(("asked", "least", "most"), [("all", 12, 12), ("none", 0, 0), ("0.5", 1, 11)])
def test_as_many_are_scored_as_asked_for(tmp_path, monkeypatch, asked, least, most):
    use_stand_in(monkeypatch, tmp_path)
    monkeypatch.setattr(Scorer, "measure", lambda self, given: json.dumps({"ssim": 1.0, "of": sorted(given)}))
    graph = copy.deepcopy(GRAPH)
    graph["9"] = {
        "class_type": "CellStyleFidelity",
        "inputs": {"content": ["1", 0], "result": ["3", 0], "least_area": 9},
    }
    write_contents(tmp_path / "data", 12)
    options = [
        "--content",
        str(tmp_path / "data"),
        "--style",
        str(write_style(tmp_path)),
        "--out",
        str(tmp_path / "out"),
    ]
    assert command.main([str(write_workflow(tmp_path, graph)), *options, "--scores", asked]) == 0
    scored = [row for row in merged(tmp_path / "out") if row["scores"]]
    assert least <= len(scored) <= most
    assert all(json.loads(row["scores"])["of"] == ["content", "result"] for row in scored)
