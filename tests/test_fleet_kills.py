"""Real ComfyUIs killed and stopped at drawn points: every good picture there once and bit for bit, the poison named."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from fleet_runs import check_complete, results, servers_of, start
from places import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
STYLE = ROOT / "example_images" / "style_ink_wash.png"
POISON = ("cell_05_cut.ome.tif", "cell_11_text.ome.tif")
LONG_SEEDS = range(1, 20)


def draw_cells(folder: Path, good: int) -> None:
    """So many 16-bit OME-TIFFs of cells, one cut off and one that is text."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[:96, :96].astype(np.float32)
    for number in range(good):
        dice = np.random.default_rng(number)
        picture = 300 + 80 * dice.standard_normal((96, 96))
        for _ in range(6):
            distance = np.hypot(y - dice.uniform(0, 96), x - dice.uniform(0, 96))
            picture += dice.uniform(3000, 20000) * np.exp(-((distance / dice.uniform(6, 14)) ** 4))
        path = folder / f"cell_{number:02}.ome.tif"
        tifffile.imwrite(path, picture.clip(0, 65535).astype(np.uint16), metadata={"axes": "YX"}, ome=True)
    (folder / POISON[0]).write_bytes((folder / "cell_05.ome.tif").read_bytes()[:8000])
    (folder / POISON[1]).write_text("this is not a TIFF\n")


def small_workflow(path: Path) -> Path:
    """The fidelity template, small: 64 pixels, two steps."""
    graph = json.loads((ROOT / "workflows" / "api" / "micrograph_fidelity.json").read_text(encoding="utf-8"))
    for node in graph.values():
        if node["class_type"] == "CellStyleLoadMicrograph":
            node["inputs"] |= {"size": "resize and pad", "longest_side": 64}
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = 2
    path.write_text(json.dumps(graph))
    return path


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    return reference(tmp_path_factory.mktemp("few"), 8)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    return reference(tmp_path_factory.mktemp("many"), 22)


def reference(place: Path, good: int) -> tuple[Path, dict[str, str]]:
    """The folder of contents and workflow, and what one ComfyUI makes of it alone."""
    draw_cells(place / "data", good)
    small_workflow(place / "workflow.json")
    code, found, complained = finish(begin(place, place / "alone"), place / "alone")
    assert code == 1 and len(found) == good, complained
    return place, found


def begin(place: Path, out: Path, *more: object):
    fixed = ("--content", place / "data", "--style", STYLE, "--scores", "none", "--out", out)
    return start(place / "workflow.json", *fixed, *more, OMP_NUM_THREADS="1", CELLSTYLE_CPU="1")


def finish(process, out: Path, timeout: float = 1800) -> tuple[int, dict[str, str], str]:
    try:
        said, complained = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, results(out), said + complained


def count(out: Path) -> int:
    return len(list(out.glob("*.png")))


def disturb(process, out: Path, dice: random.Random, good: int, times: int, stops: bool) -> list[str]:
    """Kills or stops a ComfyUI of the run at drawn points, as long as it goes on."""
    done = []
    for at in sorted(dice.sample(range(1, good - 4), times)):
        while count(out) < at and process.poll() is None:
            time.sleep(0.02)
        time.sleep(dice.uniform(0, 0.5))
        if process.poll() is not None:
            break
        running = servers_of(process.pid)
        if running:
            number = dice.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP if stops else signal.SIGKILL])
            with contextlib.suppress(ProcessLookupError):
                os.kill(dice.choice(running), number)
                done.append(f"{number.name} after {at}")
    return done


def check_seed(contents, out: Path, seed: int, times: int, stops: bool) -> None:
    place, expected = contents
    process = begin(place, out, "--workers", 2, "--time-limit", 60 if stops else 300)
    done: list[str] = []
    dice = random.Random(seed)
    thread = threading.Thread(target=lambda: done.extend(disturb(process, out, dice, len(expected), times, stops)))
    thread.start()
    code, _, complained = finish(process, out)
    thread.join()
    assert code == 1, complained
    rows = check_complete(out, expected, set(POISON))
    assert done, "nothing was killed"
    words = {row["input"]: row["error"] for row in rows if row["status"] == "failed"}
    assert f"{POISON[0]} is cut off" in words[POISON[0]] and f"{POISON[1]} is not a TIFF" in words[POISON[1]]
    # one that was killed while it started had no picture
    assert "again: " in complained or "waiting: " in complained, (done, complained)


def test_a_killed_comfyui_loses_nothing(few, tmp_path):
    check_seed(few, tmp_path / "out", seed=0, times=1, stops=False)


@pytest.mark.long(section="fleet")
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_comfyuis_killed_at_drawn_points_lose_nothing(many, tmp_path, seed):
    check_seed(many, tmp_path / "out", seed, times=3, stops=True)
