"""Servers that are killed while they write a style, disks that are full, folders that are none: long, with own servers.

Every server keeps its styles in one folder of the test's own, given by extra_model_paths.yaml.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from cellstyle.style_file.style import read_style
from comfy_client import ComfyError, ExecutionError
from comfy_server import ComfyServer
from places import TEST_NODES
from reference_prompts import by_four_nodes
from test_server import changed, digest
from test_style_file_server import LOAD, SAVE

pytestmark = [
    pytest.mark.long(section="faults"),
    pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX"),
]
# a style of some 50 MB
LARGE = changed(SAVE, style__height=64, style__width=64, style__batch=4, save__format="full", save__overwrite=False)


@pytest.fixture(scope="module")
def reference(server) -> str:
    return by_four_nodes(server.client)


def start(tmp_path: Path, styles: Path) -> ComfyServer:
    config = tmp_path / "extra.yaml"
    config.write_text(json.dumps({"test": {"cellstyle": str(styles)}}), encoding="utf-8")  # JSON is YAML
    options = ["--extra-model-paths-config", str(config)]
    return ComfyServer(extra_custom_nodes=[TEST_NODES], cpu=True, args=options, env={"OMP_NUM_THREADS": "2"})


def listed(client) -> set[str]:
    return set(client.object_info("CellStyleLoad")["CellStyleLoad"]["input"]["required"]["file"][1]["options"])


def kill_while_it_writes(server: ComfyServer, styles: Path, name: str, patience: float) -> None:
    """SIGKILL, `patience` seconds after a draft was first seen."""
    client = server.client
    client.run(changed(LARGE, save__name=name))  # the capture is in the cache from now on
    for number in range(50):
        client.submit(changed(LARGE, save__name=f"{name}_{number}"))
    deadline = time.monotonic() + 60
    while not list(styles.glob(".*.tmp")):
        assert time.monotonic() < deadline, "no draft was ever seen"
        server.check_alive()
    time.sleep(patience)
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(timeout=30)


def whole_styles(styles: Path) -> set[str]:
    """Names of the styles in the folder, each of which must be readable."""
    paths = list(styles.rglob("*.safetensors"))
    for path in paths:
        read_style(path)
    return {path.relative_to(styles).as_posix() for path in paths}


def test_servers_killed_while_they_write_a_style(tmp_path, reference):
    styles = tmp_path / "styles"
    styles.mkdir()
    dice = random.Random(0)
    for kill in range(6):
        with start(tmp_path, styles) as server:
            whole = whole_styles(styles)
            assert listed(server.client) == whole
            assert not list(styles.rglob("*.tmp"))  # what the last server had begun is gone
            assert by_four_nodes(server.client) == reference
            if kill < 5:
                kill_while_it_writes(server, styles, f"{kill}", patience=dice.uniform(0, 0.03))
        print(f"{len(whole)} styles were whole; killed beside {len(list(styles.glob('.*.tmp')))} begun")


def test_a_full_disk(tmp_path, reference):
    import resource

    styles = tmp_path / "styles"
    styles.mkdir()
    with start(tmp_path, styles) as server:
        client = server.client
        client.run(SAVE)
        before = (styles / "server" / "ink.safetensors").read_bytes()
        room = max(server.log_path.stat().st_size, 1_000_000)  # the log must still fit
        soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (room, hard))
        for _ in range(3):
            with pytest.raises(ExecutionError, match=r"could not be written .* Nothing was left there"):
                client.run(LARGE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
        assert [path.name for path in styles.rglob("*") if path.is_file()] == ["ink.safetensors"]
        assert (styles / "server" / "ink.safetensors").read_bytes() == before
        assert by_four_nodes(client) == reference
        client.free()
        assert digest(client.run(LOAD)) == reference
        client.run(LARGE)
        assert listed(client) == {"server/ink.safetensors", "server/ink_2.safetensors"}


@pytest.mark.parametrize("obstacle", ["a file", "a link to nowhere", "a folder of the system"])
def test_a_folder_of_styles_that_cannot_be_written(tmp_path, reference, obstacle):
    styles = tmp_path / "styles"
    if obstacle == "a file":
        styles.write_bytes(b"no folder")
    elif obstacle == "a link to nowhere":
        styles.symlink_to(tmp_path / "nowhere" / "at all")
    else:
        styles = Path("/proc/cellstyle")  # not even root may
    with start(tmp_path, styles) as server:
        with pytest.raises(ExecutionError, match=r"could not be written|needs a folder") as error:
            server.client.run(SAVE)
        assert error.value.exception_type == "ValueError"
        assert listed(server.client) == set()
        assert by_four_nodes(server.client) == reference


@pytest.mark.parametrize("kind", ["a folder", "a link to nowhere", "a pipe"])
def test_things_named_like_styles_that_are_no_files(tmp_path, reference, kind):
    styles = tmp_path / "styles"
    styles.mkdir()
    path = styles / "odd.safetensors"
    {"a folder": path.mkdir, "a link to nowhere": lambda: path.symlink_to("gone"), "a pipe": lambda: os.mkfifo(path)}[
        kind
    ]()
    with start(tmp_path, styles) as server:
        started = time.monotonic()
        with pytest.raises(ComfyError, match=r"not in|is no file|cannot be read"):
            server.client.run(changed(LOAD, load__file="odd.safetensors"), timeout=20)
        assert time.monotonic() - started < 10
        assert by_four_nodes(server.client) == reference
