"""The benchmark runs, and its arithmetic is right; its times are no test."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from places import ROOT

sys.path.append(str(ROOT / "tools" / "bench"))


def test_a_quick_run_prints_tables_and_writes_json(tmp_path):
    file = tmp_path / "bench.json"
    options = ["--quick", "--repeats", "1", "--json", str(file), "--only", "picture", "steps", "transformers"]
    command = [sys.executable, str(ROOT / "tools" / "bench.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert "a. A sampling step with injection" in done.stdout and "b. An inversion step" in done.stdout
    assert "How long does my picture take" in done.stdout
    found = json.loads(file.read_text())
    assert all(line["content"] > 0 and line["style"] > 0 and line["sampled"] > 0 for line in found["picture"])
    assert {line["storage"] for line in found["steps"]} >= {"device", "ram", "ram, fp8", "recompute"}
    assert {line["row"] for line in found["transformers"]} == {"stored", "rows that ride along"}
    assert all(line["ratio"] > 0 for line in [*found["steps"], *found["transformers"]])


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_kept_is_what_was_announced():
    from memory_rows import measure

    task = {"kind": "tiny", "precision": "fp32", "pixels": 256, "steps": 2}
    ways = {"ram": ("ram", "full"), "fp8": ("ram", "fp8"), "recompute": ("recompute", "full")}
    found = {name: measure({**task, "storage": s, "feature": f}) for name, (s, f) in ways.items()}
    for line in found.values():
        assert line["predicted"] == pytest.approx(line["kept"], abs=1e5)  # the log says tenths of MB, for each image
        assert -1e6 < line["ram"] < 200e6  # the kernel counts resident pages in batches
    assert found["fp8"]["kept"] * 4 == found["ram"]["kept"]  # against fp32
    assert found["recompute"]["kept"] < found["ram"]["kept"] / 30


def test_ratios_pair_the_rounds():
    from timing import ratio, spread

    seconds = {"ours": [2.0, 20.0, 3.0], "plain": [1.0, 10.0, 1.0]}
    assert ratio(seconds, "ours", "plain") == 2.0
    assert ratio(seconds, "ours", "plain", factor=2) == 1.0
    assert spread([1.0, 1.0, 1.0]) == 0.0


def test_an_exponent_is_the_slope_in_logarithms():
    from scaling_rows import exponent

    assert exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2.0)
