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
    command = [
        sys.executable,
        str(ROOT / "tools" / "bench.py"),
        "--quick",
        "--only",
        "steps",
        "memory",
        "--repeats",
        "1",
    ]
    done = subprocess.run([*command, "--json", str(file)], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert "a. A sampling step with injection" in done.stdout and "d. Memory" in done.stdout
    found = json.loads(file.read_text())
    assert {line["storage"] for line in found["steps"]} >= {"device", "ram", "ram, fp8", "recompute"}
    assert all(line["ratio"] > 0 for line in found["steps"])
    memory = {line["storage"]: line for line in found["memory"]}
    # kept bytes, for two images and 4 steps: exactly what was announced, but for the log's rounding
    for line in memory.values():
        assert line["predicted"] == pytest.approx(line["kept"], rel=0.06)
    assert memory["ram, fp8"]["kept"] * 4 == memory["ram, full"]["kept"]  # against fp32
    assert memory["recompute, full"]["kept"] < memory["ram, full"]["kept"] / 30


def test_ratios_pair_the_rounds():
    from timing import ratio, spread

    seconds = {"ours": [2.0, 20.0, 3.0], "plain": [1.0, 10.0, 1.0]}
    assert ratio(seconds, "ours", "plain") == 2.0
    assert ratio(seconds, "ours", "plain", factor=2) == 1.0
    assert spread([1.0, 1.0, 1.0]) == 0.0


def test_an_exponent_is_the_slope_in_logarithms():
    from scaling_rows import exponent

    assert exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2.0)
