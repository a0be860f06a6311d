"""The code is linted and formatted."""

from __future__ import annotations

import subprocess
import sys

import pytest
from places import ROOMS, ROOT


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_finds_nothing(command):
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "."], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_files_stay_readable():
    long = {}
    for room in (*ROOMS, "tools"):
        for path in (ROOT / room).rglob("*.py"):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > 300:
                long[str(path.relative_to(ROOT))] = lines
    assert not long, f"over 300 lines: {long}"
