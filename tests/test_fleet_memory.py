"""The runner's memory does not grow with the pictures."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from cellstyle.fleet import command
from cellstyle.fleet.worker import Worker
from fleet_runs import use_stand_in, write_contents, write_style, write_workflow


def growth(tmp_path, monkeypatch, count: int) -> float:
    """Bytes a picture that are alive more at the end than after the first third, over the pictures between."""
    use_stand_in(monkeypatch, tmp_path)
    write_contents(tmp_path / "data", count)
    marks: list[int] = []
    real, seen = Worker.run, [0]

    def run(worker, item):
        seen[0] += 1
        if seen[0] in (count // 3, count - 8):
            gc.collect()
            marks.append(tracemalloc.get_traced_memory()[0])
        return real(worker, item)

    monkeypatch.setattr(Worker, "run", run)
    options = [
        "--content",
        str(tmp_path / "data"),
        "--style",
        str(write_style(tmp_path)),
        "--out",
        str(tmp_path / "out"),
    ]
    tracemalloc.start()
    try:
        assert command.main([str(write_workflow(tmp_path)), *options, "--quiet"]) == 0
    finally:
        tracemalloc.stop()
    return (marks[1] - marks[0]) / (count - 8 - count // 3)


def test_memory_is_flat(tmp_path, monkeypatch):
    assert growth(tmp_path, monkeypatch, 300) < 2000  # a result kept would be 600 bytes and its row 1,200 more


@pytest.mark.long(section="fleet")
def test_memory_is_flat_over_ten_thousand_pictures(tmp_path, monkeypatch):
    assert growth(tmp_path, monkeypatch, 10_000) < 100
