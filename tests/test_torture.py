"""The long tests: left out of every run, each in a section that tools/torture.py knows."""

from __future__ import annotations

import re

import pytest
import torture
from places import ROOT

MARK = re.compile(r"mark\.long\((.*?)\)")


def test_every_long_test_is_in_a_section():
    files = sorted((ROOT / "tests").glob("test_*.py"))
    texts = [path.read_text(encoding="utf-8") for path in files if path.name != "test_torture.py"]
    marks = [mark for text in texts for mark in MARK.findall(text)]
    assert set(marks) <= {f'section="{name}"' for name in torture.SECTIONS}


def test_torture_says_what_it_runs(capsys):
    assert torture.main(["faults", "--list"]) == 0
    assert capsys.readouterr().out == f"{'faults':12} {torture.SECTIONS['faults']}\n"


@pytest.mark.long(section="no section of its own")
def test_a_long_test_is_left_out_of_an_ordinary_run():
    pytest.fail("this ran without being asked for")
