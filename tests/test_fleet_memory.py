"""The runner's memory does not grow with the pictures."""

from __future__ import annotations

import gc
import tracemalloc

import psutil
import pytest
from cellstyle.fleet import command
from cellstyle.fleet.worker import Worker
from fleet_runs import use_stand_in, write_contents, write_style, write_workflow


def measured(tmp_path, monkeypatch, count: int, measure, marks: int) -> list[float]:
    """What `measure` says at `marks` points, evenly apart, of a run over so many pictures."""
    use_stand_in(monkeypatch, tmp_path)
    data, style = write_contents(tmp_path / "data", count), write_style(tmp_path)
    found: list[float] = []
    real, seen = Worker.run, [0]

    def run(worker, item):
        seen[0] += 1
        if seen[0] % (count // marks) == 0:
            gc.collect()
            found.append(measure())
            print(f"{seen[0]} pictures: {found[-1] / 1e6:.1f} MB", flush=True)
        return real(worker, item)

    monkeypatch.setattr(Worker, "run", run)
    options = ["--content", data, "--style", style, "--out", tmp_path / "out", "--quiet"]
    assert command.main([str(write_workflow(tmp_path)), *map(str, options)]) == 0
    return found


def test_memory_is_flat(tmp_path, monkeypatch):
    tracemalloc.start()
    try:
        found = measured(tmp_path, monkeypatch, 150, lambda: tracemalloc.get_traced_memory()[0], 3)
    finally:
        tracemalloc.stop()
    assert (found[-1] - found[0]) / 100 < 2000  # bytes a picture; a result kept would be 600 and its row 1,200 more


@pytest.mark.long(section="fleet")
def test_memory_is_flat_over_ten_thousand_pictures(tmp_path, monkeypatch):
    found = measured(tmp_path, monkeypatch, 10_000, lambda: psutil.Process().memory_info().rss, 10)
    assert (found[-1] - found[2]) / 7000 < 1000  # bytes a picture: pages come 4 MB at a time
