"""The code is linted and formatted."""

from __future__ import annotations

import subprocess
import sys

import pytest
from places import ROOT

NOT_SHIPPED = ("tests", "tools", "output")


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_finds_nothing(command):
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", "."], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_shipped_code_is_ascii_and_says_other_characters_as_escapes():
    files = [path for kind in ("*.py", "*.js") for path in ROOT.rglob(kind)]
    folders = {path: path.relative_to(ROOT).parts[0] for path in files}
    shipped = [path for path, folder in folders.items() if folder not in NOT_SHIPPED and not folder.startswith(".")]
    assert len(shipped) > 150
    found = {
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in shipped
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if not line.isascii()
    }
    assert not found
