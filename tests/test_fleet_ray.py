"""The batch on Ray: actors and their ComfyUIs killed, a machine of a simulated cluster removed.

Ray wants a Python of its own rather than ComfyUI's: CELLSTYLE_RAY_PYTHON names one that has ray, aiohttp and Pillow.
"""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from fleet_runs import (
    BATCH,
    check_complete,
    processes_of,
    results,
    use_stand_in,
    write_contents,
    write_style,
    write_workflow,
)
from places import SUPPORT

PYTHON = os.environ.get("CELLSTYLE_RAY_PYTHON") or (sys.executable if importlib.util.find_spec("ray") else "")
pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="Ray is not installed (CELLSTYLE_RAY_PYTHON names a Python that has it)"),
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
]
GOOD, POISON = 22, {"bad.tif", "cut.tif"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    use_stand_in(monkeypatch, tmp_path, WAIT="0.3")
    write_workflow(tmp_path)
    write_style(tmp_path)
    write_contents(tmp_path / "data", GOOD, bad="text", cut="text")
    return tmp_path


def line(place: Path) -> list[str]:
    options = ["--content", place / "data", "--style", place / "ink.safetensors"]
    return [str(place / "workflow.json"), *map(str, options)]


def begin(command: list[str]) -> subprocess.Popen:
    return subprocess.Popen([PYTHON, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def on_ray(place: Path) -> subprocess.Popen:
    return begin([str(BATCH), *line(place), "--out", str(place / "out"), "--ray", "--workers", "2"])


def alone(place: Path) -> dict[str, str]:
    from cellstyle.fleet import command

    assert command.main([*line(place), "--out", str(place / "alone"), "--workers", "2"]) == 1
    return results(place / "alone")


def wait_for_results(place: Path, count: int, process: subprocess.Popen) -> None:
    hanging = time.monotonic() + 600
    while len(list((place / "out").rglob("*.png"))) < count:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < hanging
        time.sleep(0.02)


def check_seed(place: Path, seed: int) -> None:
    dice = random.Random(seed)
    process = on_ray(place)
    try:
        for word in dice.sample(["ComfyActor", "server_guard.py"], 2):
            wait_for_results(place, dice.randrange(1, 8) + len(list((place / "out").rglob("*.png"))), process)
            os.kill(dice.choice(processes_of(process.pid, word, recursive=True)).pid, signal.SIGKILL)
        said, _ = process.communicate(timeout=900)
    finally:
        process.kill()
    assert process.returncode == 1, said
    rows = check_complete(place / "out", alone(place), POISON)
    assert len(rows) == GOOD + len(POISON) and "again: " in said


def test_an_actor_and_a_comfyui_killed_lose_nothing(place):
    check_seed(place, 0)


@pytest.mark.long(section="fleet")
@pytest.mark.parametrize("seed", range(1, 20))
def test_actors_and_comfyuis_killed_at_drawn_points_lose_nothing(place, seed):
    check_seed(place, seed)


def test_a_machine_that_goes_loses_nothing(place):
    process = begin([str(SUPPORT / "ray_cluster.py"), "5", str(place / "out"), *line(place)])
    try:
        said, _ = process.communicate(timeout=900)
    finally:
        process.kill()
    assert process.returncode == 1, said
    assert "a machine goes" in said
    check_complete(place / "out", alone(place), POISON)


def listening(process: subprocess.Popen) -> set[tuple[str, str, int]]:
    """(process, address, port) of what a run listens on."""
    run = psutil.Process(process.pid)
    return {
        (child.name(), *connection.laddr)
        for child in [run, *run.children(recursive=True)]
        for connection in child.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_it_listens_on_the_loopback_alone_and_ctrl_c_ends_it(place):
    process = on_ray(place)
    try:
        wait_for_results(place, 3, process)
        actors, ports = processes_of(process.pid, "ComfyActor", recursive=True), listening(process)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 130 and "Interrupted: " in said, said
    assert not any(actor.is_running() for actor in actors)
    check_complete(place / "out", results(place / "out"), {row for row in POISON if f"failed: {row}" in said})
    assert {name for name, _, _ in ports} >= {"raylet", "gcs_server"}
    assert {ip for _, ip, _ in ports} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, ports
    assert 8265 not in {port for _, _, port in ports}  # the dashboard's


def test_without_ray_the_command_says_what_to_install(place, capsys, monkeypatch):
    from cellstyle.fleet import command

    monkeypatch.setitem(sys.modules, "ray", None)
    assert command.main([*line(place), "--out", str(place / "out"), "--ray"]) == 2
    assert "Ray, which is not installed" in capsys.readouterr().err
