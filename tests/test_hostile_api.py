"""Senseless widget values through a real server's API: refused in words, at once, with nothing touched elsewhere."""

from __future__ import annotations

import json
import os
import random
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cellstyle.nodes import NODES
from comfy_client import ExecutionError, PromptRejected
from hostile_values import NOT_NUMBERS, PATHS, graph_around, inputs_of, values_for, with_value
from hostile_values import WIDGET_TYPES as WIDGETS
from places import ROOT
from reference_prompts import by_four_nodes
from test_style_file_server import SAVE
from watched import Most

IDS = [node.GET_SCHEMA().node_id for node in NODES]
SECONDS, MEGABYTES = 2.0, 200
# where ComfyUI itself answers, it quotes a value of megabytes many times
SECONDS_OF_COMFYUI, MEGABYTES_OF_COMFYUI = 8.0, 800
MOST, MOST_OF_COMFYUI = Most(), Most()
SECRETS = ("secret.tif", "secret.safetensors")
LIBRARIES = {os.path.realpath(path) for path in (*sysconfig.get_paths().values(), sys.base_prefix)}
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/localtime", "/usr/share", "/usr/lib")


class Bombardment:
    """One server, the graphs around its nodes, and what is known of its memory and its files."""

    def __init__(self, server):
        self.server, self.client = server, server.client
        tifffile.imwrite(server.input_dir / "sound.tif", np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
        self.client.run(SAVE)
        info = self.client.object_info()
        self.infos = {name: info[name] for name in IDS}
        for name in ("file", "example"):
            options = self.infos["CellStyleLoadMicrograph"]["input"]["required" if name == "file" else "optional"]
            if name in options:
                options[name][1]["default"] = {"file": "sound.tif"}.get(name)
        self.infos["CellStyleLoad"]["input"]["required"]["file"][1]["default"] = "server/ink.safetensors"
        self.reference = by_four_nodes(self.client)
        # what a name that leads out would find
        for folder in (server.run_dir, server.models_dir):
            (folder / "secret.tif").write_bytes((server.input_dir / "sound.tif").read_bytes())
            style = next(server.models_dir.rglob("ink.safetensors"))
            (folder / "secret.safetensors").write_bytes(style.read_bytes())
        self.client.json("/cellstyle_test/watch")

    def allowed(self, kind: str, *paths: str) -> bool:
        """Files of this run, and reads of what Python, ComfyUI and the pack consist of; never where names lead out."""
        run, comfyui = os.path.realpath(self.server.run_dir), os.path.realpath(self.server.host.comfyui)
        libraries = (*LIBRARIES, str(ROOT), comfyui, *SYSTEM)

        def inside(path: str) -> bool:
            known = path.startswith((run + os.sep, *(libraries if kind == "read" else ())))
            return known and Path(path).name not in SECRETS

        is_file = kind in ("read", "write") or kind.startswith(("os.", "shutil.", "tempfile."))
        return is_file and all(inside(path) or path == os.devnull for path in paths)

    def check_touched(self, how: str) -> None:
        found = self.client.json("/cellstyle_test/touched")
        bad = [entry for entry in found if not self.allowed(*entry)]
        assert not bad, f"{how} touched {bad[:5]}"

    def try_out(self, graph: dict, how: str) -> str:
        """The words of the refusal, "" where the value was accepted. Fails on anything else."""
        before, started, words = self.peak(anew=True), self.seconds(), ""
        limits, most = (SECONDS, MEGABYTES), MOST
        try:
            self.client.run(graph, timeout=60)
        except PromptRejected as error:
            words = str(error)
            if len(words) > 100_000:
                limits, most = (SECONDS_OF_COMFYUI, MEGABYTES_OF_COMFYUI), MOST_OF_COMFYUI
        except ExecutionError as error:
            words = error.exception_message
            assert error.exception_type == "ValueError", f"{how}: {error.exception_type}: {words[:500]}"
            assert len(words) < 1500 and words.replace("\n", "").isprintable(), f"{how}: {words[:2000]!r}"
            assert "\n" not in words, f"{how}: {words[:500]!r}"
        seconds, megabytes = self.seconds() - started, self.peak() - before
        self.client.request("/history", {"clear": True})
        if words:
            most.note(seconds, megabytes)
            assert seconds < limits[0], f"{how} took {seconds:.1f} s: {words[:200]}"
            assert megabytes < limits[1], f"{how} took {megabytes:.0f} MB: {words[:200]}"
        self.check_touched(how)
        return words

    def seconds(self) -> float:
        """What the server has worked, where the system tells, so that other work on the machine does not count."""
        stat = Path(f"/proc/{self.server.process.pid}/stat")
        if not stat.exists():
            return time.monotonic()
        user, system = stat.read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def peak(self, anew: bool = False) -> float:
        """MB that the server had at most; `anew`: from now on."""
        process = Path(f"/proc/{self.server.process.pid}")
        if not (process / "clear_refs").exists():
            return 0.0
        if anew:
            (process / "clear_refs").write_text("5")
        return int((process / "status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def shorten(value) -> str:
    text = repr(value) if not isinstance(value, str) or len(value) < 100 else f"{value[:20]!r}... ({len(value)})"
    return text if len(text) < 200 else text[:100] + "..."


def must_be_refused(name: str, kind: str, value, folder: Path) -> bool:
    if kind in ("FLOAT", "INT"):
        return any(value is bad or value == bad for bad in NOT_NUMBERS)
    saved = [path.name for path in folder.glob("*.safetensors")]  # an odd name may have been saved under
    return name == "file" and value in PATHS and value not in saved


@pytest.fixture(scope="module")
def bombardment(server) -> Bombardment:
    return Bombardment(server)


def widgets(bombardment, node: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind, _ in inputs_of(bombardment.infos[node]) if kind in WIDGETS]


def bombard(bombardment, node: str, name: str, kind: str, value) -> str:
    how = f"{node}.{name} = {shorten(value)}"
    words = bombardment.try_out(with_value(graph_around(bombardment.infos, node), name, value), how)
    folder = bombardment.server.models_dir / "cellstyle"
    assert words or not must_be_refused(name, kind, value, folder), f"{how} was accepted"
    return words


@pytest.mark.parametrize("node", IDS)
def test_each_node_runs_before_it_is_bombarded(bombardment, node):
    assert bombardment.try_out(graph_around(bombardment.infos, node), node) == ""


@pytest.mark.parametrize("node", [node.GET_SCHEMA().node_id for node in NODES if node.GET_SCHEMA().inputs])
def test_a_few_senseless_values_for_each_node(bombardment, node):
    dice = random.Random(node)
    for _ in range(4):
        if found := widgets(bombardment, node):
            name, kind = dice.choice(found)
            bombard(bombardment, node, name, kind, dice.choice(values_for(kind)))
    assert bombardment.client.system_stats()


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are no UTF-8")
def test_files_whose_names_are_no_text(bombardment):
    sound, client = (bombardment.server.input_dir / "sound.tif").read_bytes(), bombardment.client
    folder = os.fsencode(bombardment.server.input_dir)
    for name, data in ((b"whole\xff.tif", sound), (b"half\xff.tif", sound[:999])):
        Path(os.fsdecode(os.path.join(folder, name))).write_bytes(data)
    graph = graph_around(bombardment.infos, "CellStyleLoadMicrograph")
    assert bombardment.try_out(with_value(graph, "file", "whole\udcff.tif"), "a sound file") == ""
    words = bombardment.try_out(with_value(graph, "file", "half\udcff.tif"), "a broken file")
    assert words.startswith("half\\udcff.tif is cut off")
    assert "whole\\udcff.tif" in json.dumps(client.object_info("CellStyleLoadMicrograph"))


@pytest.mark.long(section="hostile")
@pytest.mark.parametrize("node", IDS)
def test_every_senseless_value_in_every_widget(bombardment, node):
    outcomes = {"refused": 0, "accepted": 0}
    failures = []
    for name, kind in widgets(bombardment, node):
        for value in values_for(kind):
            try:
                words = bombard(bombardment, node, name, kind, value)
                outcomes["refused" if words else "accepted"] += 1
            except AssertionError as error:
                failures.append(str(error).split("\n")[0])
    print(f"{node}: {json.dumps(outcomes)}; {MOST} so far, where ComfyUI quotes megabytes {MOST_OF_COMFYUI}")
    assert not failures, "\n".join([f"{len(failures)} failures", *failures[:40]])


@pytest.fixture(scope="module", autouse=True)
def unharmed(bombardment):
    """The server gives the same bits as before, and has no file outside of its folders."""
    yield
    assert by_four_nodes(bombardment.client) == bombardment.reference
    folders = {path.name for path in bombardment.server.run_dir.iterdir()}
    known = {"input", "output", "models", "user", "temp", "custom_nodes", "server.log"}
    assert folders <= {*known, *SECRETS}
