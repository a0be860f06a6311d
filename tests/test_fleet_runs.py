"""Whole runs of the batch command over stand-ins for ComfyUI: what goes wrong, what comes of it, and the exit codes."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cellstyle.fleet import command, local_engine
from cellstyle.fleet.manifest import merged
from cellstyle.fleet.worker import Worker
from fleet_runs import (
    GRAPH,
    STAND_IN,
    check_complete,
    results,
    run,
    servers_of,
    start,
    use_stand_in,
    write_contents,
    write_style,
    write_workflow,
)
from PIL import Image
from server_run import free_port

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a workflow, a style and the stand-in."""
    use_stand_in(monkeypatch, tmp_path)
    write_workflow(tmp_path)
    write_style(tmp_path)
    return tmp_path


def batch(place: Path, *more: object, content: str = "data", out: str = "out", styles=("ink",)) -> int:
    """The command in this process; returns its exit code."""
    style = [str(place / f"{name}.safetensors") for name in styles]
    options = [str(place / "workflow.json"), "--content", str(place / content), "--out", str(place / out), "--style"]
    return command.main([*options, *style, *map(str, more)])


def test_a_folder_becomes_a_folder_and_again_nothing(place, capsys):
    write_contents(place / "data", 6)
    assert batch(place) == 0
    found = results(place / "out")
    assert set(found) == {
        *(f"a/cell_00{n}.tif.png" for n in (1, 3, 5)),
        *(f"b/c/cell_00{n}.tif.png" for n in (0, 2, 4)),
    }
    rows = check_complete(place / "out", found, set())
    assert len(set(found.values())) == 6 and {row["attempts"] for row in rows} == {1}
    assert all(len(row["input_sha256"]) == 64 and row["comfyui"] == "0" for row in rows)
    facts = Image.open(place / "out/a/cell_001.tif.png").text
    assert json.loads(facts["cellstyle_batch"])["input"] == "a/cell_001.tif"
    assert json.loads(facts["prompt"])["3"]["inputs"]["gamma"] == 0.5
    assert capsys.readouterr().out.startswith("6 done, 0 failed; ")
    before = {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*.png")}
    assert batch(place) == 0
    assert capsys.readouterr().out.startswith("0 done, 0 failed, 6 there already; ")
    assert before == {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*.png")}
    (place / "out/a/cell_001.tif.png").unlink()
    assert batch(place) == 0
    check_complete(place / "out", found, set())


def test_a_dry_run_counts_and_does_nothing(place, capsys):
    write_contents(place / "data", 6)
    assert batch(place, "--dry-run") == 0
    assert "6 pictures to make, 0 there already. Content goes into node 1" in capsys.readouterr().out
    assert not (place / "out").exists()
    assert batch(place, "--dry-run", "--shard", "0/2") == 0
    first = int(capsys.readouterr().out.split()[0])
    assert batch(place, "--dry-run", "--shard", "1/2") == 0
    assert first + int(capsys.readouterr().out.split()[0]) == 6


def test_poison_is_named_and_the_rest_goes_on(place, capsys):
    write_contents(place / "data", 6, broken="text, no picture", cut="text as well")
    assert batch(place, "--manifest", place / "all.jsonl") == 1
    rows = check_complete(place / "out", results(place / "out"), {"broken.tif", "cut.tif"})
    assert len(results(place / "out")) == 6
    failed = next(row for row in rows if row["input"] == "broken.tif")
    assert failed["error"].startswith("CellStyleLoadMicrograph (node 1): broken.tif is not a TIFF")
    assert (failed["error_node"], failed["error_type"], failed["attempts"]) == (
        "CellStyleLoadMicrograph",
        "ValueError",
        1,
    )
    said = capsys.readouterr()
    assert "failed: broken.tif: CellStyleLoadMicrograph (node 1): broken.tif is not" in said.err
    assert "6 done, 2 failed" in said.out and len((place / "all.jsonl").read_text().splitlines()) == 8
    assert batch(place, "--quiet") == 1
    said = capsys.readouterr()
    assert said.err == "" and said.out.startswith("0 done, 2 failed, 6 there already")


def test_out_of_memory_and_a_dead_server_are_tried_again_with_the_count(place, monkeypatch):
    write_contents(place / "data", 6, big="memory is short", crash="die once")
    assert batch(place, "--workers", 2) == 0
    rows = {row["input"]: row for row in check_complete(place / "out", results(place / "out"), set())}
    assert rows["big.tif"]["attempts"] == 2 and rows["crash.tif"]["attempts"] == 2
    assert {row["attempts"] for name, row in rows.items() if name.startswith(("a/", "b/"))} == {1}


def test_what_always_kills_its_server_is_poison_and_does_not_spoil_its_neighbours(place, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAULTS", "1000")
    write_contents(place / "data", 8, crash="die always")
    assert batch(place) == 1
    rows = check_complete(place / "out", results(place / "out"), {"crash.tif"})
    failed = next(row for row in rows if row["status"] == "failed")
    assert failed["attempts"] == 3 and "tried 3 times" in failed["error"] and len(results(place / "out")) == 8


def test_a_hanging_server_has_a_time_limit(place):
    write_contents(place / "data", 4, slow="hang once")
    assert batch(place, "--time-limit", "1.5") == 0
    rows = {row["input"]: row for row in check_complete(place / "out", results(place / "out"), set())}
    assert rows["slow.tif"]["attempts"] >= 2


def test_a_stopped_process_counts_as_hanging(place, monkeypatch):
    """SIGSTOP: the server's sockets stay open and say nothing."""
    monkeypatch.setenv("STAND_IN_WAIT", "0.2")
    write_contents(place / "data", 6)
    process = start(*_arguments(place), "--time-limit", "2")
    wait_for_results(place, 1)
    os.kill(servers_of(process.pid)[0], signal.SIGSTOP)
    _, complained = process.communicate(timeout=600)
    assert process.returncode == 0, complained
    assert len(results(place / "out")) == 6


def test_a_full_disk_stops_with_a_sentence_and_the_next_run_goes_on(place, monkeypatch, capsys):
    write_contents(place / "data", 8)
    real, calls = os.replace, []

    def replace(source, target):
        calls.append(target)
        if len(calls) > 3:
            raise OSError(28, os.strerror(28))
        return real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    assert batch(place) == 2
    assert "Nothing more can be written to" in capsys.readouterr().err
    monkeypatch.setattr(os, "replace", real)
    assert 0 < len(results(place / "out")) < 8
    assert batch(place) == 0
    check_complete(place / "out", results(place / "out"), set())
    assert len(results(place / "out")) == 8


def test_the_servers_own_full_disk_stops_the_run(place, capsys):
    write_contents(place / "data", 1, last="full, the disk")
    assert batch(place) == 2
    assert "ComfyUI's disk is full" in capsys.readouterr().err


def test_twenty_failures_in_a_row_stop_the_run(place, capsys):
    write_contents(place / "data", 0, **{f"text_{n:02}": "text" for n in range(40)})
    assert batch(place) == 2
    said = capsys.readouterr()
    assert "20 pictures in a row failed" in said.err
    assert 20 <= len(list(merged(place / "out"))) <= 22


def test_another_recipe_is_refused(place, capsys):
    write_contents(place / "data", 1)
    assert batch(place) == 0
    graph = copy.deepcopy(GRAPH)
    graph["3"]["inputs"]["gamma"] = 0.6
    write_workflow(place, graph)
    assert batch(place) == 2
    assert "made by another recipe; what differs: the workflow's nodes" in capsys.readouterr().err
    assert batch(place, out="elsewhere") == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"content": "none"}, "no file or folder"),
        ({"content": "empty"}, "No picture matches"),
        ({"styles": ["none"]}, "There is no style"),
        ({"more": ["--models", "none"]}, "--models none is not a folder"),
        ({"more": ["--manifest", "x.csv"]}, "ends in .jsonl or .parquet"),
        ({"more": ["--result-node", "77"]}, "names no node"),
        ({"more": ["--server", "http://127.0.0.1:9"]}, "No ComfyUI answers at http://127.0.0.1:9"),
    ],
)
def test_what_cannot_run_says_why(place, capsys, change, words):
    write_contents(place / "data", 1)
    (place / "empty").mkdir()
    assert batch(place, *change.pop("more", []), **change) == 2
    assert words in capsys.readouterr().err


def test_a_comfyui_that_does_not_start_ends_the_run(place, monkeypatch, capsys):
    write_contents(place / "data", 1)
    (place / "comfyui" / "main.py").write_text("raise SystemExit('no such device')")
    monkeypatch.setattr(local_engine, "LONGEST_WAIT", 0.1)
    assert batch(place) == 2
    assert "no such device" in capsys.readouterr().err


def test_several_styles_get_a_folder_each_and_only_missing_ones_are_made(place):
    write_contents(place / "data", 4)
    write_style(place, "mural")
    assert batch(place, styles=["ink", "mural"]) == 0
    found = results(place / "out")
    assert {name.split("/")[0] for name in found} == {"ink", "mural"} and len(set(found.values())) == 8
    (place / "out/mural/a/cell_001.tif.png").unlink()
    assert batch(place, styles=["ink", "mural"]) == 0
    check_complete(place / "out", found, set())
    single = batch(place, out="single")
    assert single == 0
    assert results(place / "single") == {name[4:]: pixels for name, pixels in found.items() if name.startswith("ink/")}


def test_shards_together_are_the_whole(place):
    write_contents(place / "data", 10)
    assert batch(place, out="whole") == 0
    for number in range(3):
        assert batch(place, "--shard", f"{number}/3") == 0
    check_complete(place / "out", results(place / "whole"), set())


def test_own_servers_are_cleaned_and_gone(place, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(place / "tmp"))
    (place / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    write_contents(place / "data", 6)
    left = []
    real = Worker._place

    def place_and_look(worker, *arguments):
        left.append(len(list((place / "tmp").rglob("*.png"))))
        return real(worker, *arguments)

    monkeypatch.setattr(Worker, "_place", place_and_look)
    assert batch(place) == 0
    assert len(left) == 6 and max(left) <= 1  # what the other lane's prompt has just saved
    assert not list((place / "tmp").rglob("server.log"))


# servers that run already


@pytest.fixture
def servers(place, monkeypatch):
    """Addresses of two stand-ins that run already, and their folders."""
    running = []
    monkeypatch.setenv("STAND_IN_WAIT", "0.1")
    for number in range(2):
        base, port = place / f"server-{number}", free_port()
        for name in ("input", "output"):
            (base / name).mkdir(parents=True)
        line = [sys.executable, str(STAND_IN / "main.py"), "--base-directory", str(base), "--port", str(port)]
        running.append((subprocess.Popen(line), f"http://127.0.0.1:{port}", base))
    for _, url, _ in running:
        _wait_for(url)
    yield running
    for process, _, _ in running:
        process.kill()
        process.wait()


def test_servers_get_the_workflow_and_the_pictures_and_nothing_else(place, servers):
    write_contents(place / "data", 8)
    assert batch(place, out="own") == 0
    assert batch(place, "--server", *[url for _, url, _ in servers]) == 0
    check_complete(place / "out", results(place / "own"), set())
    for _, _, base in servers:
        sent = sorted(path.suffix for path in (base / "input").iterdir())
        assert set(sent) == {".tif", ".safetensors"} and len(sent) <= 3  # a place for each lane, and the style
    assert batch(place, "--server", servers[0][1], out="again") == 0
    assert len(list((servers[0][2] / "input").glob("*.safetensors"))) == 1  # the same bytes are not sent again


def test_a_server_that_goes_away_is_named_once_and_replaced_by_the_other(place, servers, capsys):
    write_contents(place / "data", 12)
    thread = when_made(place, 3, servers[0][0].kill)
    assert batch(place, "--server", *[url for _, url, _ in servers]) == 0
    thread.join()
    check_complete(place / "out", results(place / "out"), set())
    assert len(results(place / "out")) == 12 and servers[0][0].poll() is not None
    waits = [line for line in capsys.readouterr().err.splitlines() if line.startswith("waiting: ")]
    assert waits and all(servers[0][1] in line for line in waits) and len(set(waits)) == len(waits), waits


def test_no_server_left_ends_the_run(place, servers, monkeypatch, capsys):
    write_contents(place / "data", 12)
    monkeypatch.setattr(local_engine.LocalEngine.__init__, "__defaults__", (1.0,))
    thread = when_made(place, 3, lambda: [process.kill() for process, _, _ in servers])
    code = batch(place, "--server", *[url for _, url, _ in servers])
    thread.join()
    said = capsys.readouterr()
    assert code == 2 and "No ComfyUI can be used" in said.err, said
    assert 3 <= len(results(place / "out")) < 12


# stopped from outside


def when_made(place: Path, count: int, what) -> threading.Thread:
    """Does something in a thread of its own as soon as so many results are there."""

    def work() -> None:
        wait_for_results(place, count)
        what()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_for_results(place: Path, count: int) -> None:
    deadline = time.monotonic() + 600
    while len(list((place / "out").rglob("*.png"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _arguments(place: Path) -> list[object]:
    return [
        place / "workflow.json",
        "--content",
        place / "data",
        "--style",
        place / "ink.safetensors",
        "--out",
        place / "out",
    ]


def _wait_for(url: str) -> None:
    from comfy_client import ComfyClient, ComfyError

    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            ComfyClient(url, timeout=2).system_stats()
            return
        except ComfyError:
            time.sleep(0.05)
    raise AssertionError(f"{url} never came up")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_within_seconds_and_keeps_what_is_finished(place, number):
    write_contents(place / "data", 200)
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}  # as in a shell's background
    from fleet_runs import command as line

    process = subprocess.Popen(
        [*line(*_arguments(place)), "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CELLSTYLE_INSIDE_HOST": "1", "STAND_IN_WAIT": "0.3"},
        **ignoring,
    )
    wait_for_results(place, 3)
    children = servers_of(process.pid)
    process.send_signal(number)
    said, complained = process.communicate(timeout=600)
    assert process.returncode == 130, complained
    assert said.startswith("Interrupted: ") and "Traceback" not in complained
    from test_host_server import wait_until_dead

    assert len(children) == 2 and all(wait_until_dead(child) for child in children)
    kept = results(place / "out")
    assert 3 <= len(kept) < 200
    check_complete(place / "out", kept, set())


def test_a_killed_runner_loses_nothing_and_two_at_once_make_nothing_twice(place):
    write_contents(place / "data", 24, broken="text")
    assert batch(place, out="whole") == 1
    slow = {"STAND_IN_WAIT": "0.1"}
    first = start(*_arguments(place), **slow)
    wait_for_results(place, 4)
    first.kill()
    first.communicate()
    pair = [start(*_arguments(place), **slow) for _ in range(2)]
    said = [process.communicate(timeout=600)[0] for process in pair]
    assert {process.returncode for process in pair} <= {0, 1}, said
    made = sum(int(text.split(" done")[0]) for text in said)
    assert made + sum(1 for _ in results(place / "out")) >= 24
    run(*_arguments(place))  # what one of the two left to the other while it was dying
    rows = check_complete(place / "out", results(place / "whole"), {"broken.tif"})
    assert len(rows) == 25


def test_a_refused_prompt_is_the_pictures_failure(place):
    graph = copy.deepcopy(GRAPH)
    graph["3"]["class_type"] = "NoSuchNode"
    write_workflow(place, graph)
    write_contents(place / "data", 2)
    assert batch(place) == 1
    assert {row["error_type"] for row in merged(place / "out")} == {"PromptRejected"}
    assert {row["error_node"] for row in merged(place / "out")} == {"NoSuchNode"}
