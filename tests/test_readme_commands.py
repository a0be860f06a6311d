"""The commands that the documents tell a reader to type: every one is run here, or checked to name what exists."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cellstyle.nodes import NODES
from comfy_server import ComfyServer
from places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(ROOT.glob("*.md"))
# what each command of the README is run by
RUN_BY = {
    "python3 tools/demo.py": "test_demo_tool.py, test_the_demo_runs_from_the_command_line",
    "python3 tools/demo.py --serve": "test_the_demo_serves_until_it_is_told_to_stop",
    "python3 tools/batch.py WORKFLOW.json --content 'FOLDER/**/*.tif' --style INK.safetensors --out RESULTS": (
        "test_fleet_documents.py, test_the_readmes_command_runs"
    ),
    "python3 tools/bench.py --only picture": "test_bench.py, test_a_quick_run_prints_tables_and_writes_json",
    "python3 tools/test.py": "every run of the tests",
    "python3 tools/test.py tests/test_parity.py": "every run of the tests",
    "cd ComfyUI/custom_nodes": "test_a_clone_in_custom_nodes_is_all_it_takes",
    "git clone <this repository> cellstyle": "test_a_clone_in_custom_nodes_is_all_it_takes",
    "pip install -r cellstyle/requirements.txt": "test_a_clone_in_custom_nodes_is_all_it_takes",
}


def commands(text: str) -> list[str]:
    """The lines of shell blocks, and `python3 ...` within sentences; comments dropped."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`(python3 [^`]+)`", text)
    return [line.split(" #")[0].strip() for line in lines if line.strip()]


def test_every_command_of_the_readme_is_run_by_a_test():
    assert set(commands(README)) == set(RUN_BY)
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    for reason in RUN_BY.values():
        name = reason.split(", ")[-1]
        assert name == "every run of the tests" or f"def {name}(" in tests, reason


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_of_the_documents_name_files_that_exist(document):
    for path in re.findall(r"\b(?:tools|tests)/[\w/*.]+\.py\b", document.read_text(encoding="utf-8")):
        assert list(ROOT.glob(path)), f"{document.name} names {path}"


def listens(url: str) -> bool:
    host, port = url.removeprefix("http://").strip("/").split(":")
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex((host, int(port))) == 0


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process alone on Windows")
def test_the_demo_serves_until_it_is_told_to_stop(tmp_path):
    command = [sys.executable, str(ROOT / "tools" / "demo.py"), "--serve", "--quick", "--size", "64", "--steps", "2"]
    log = tmp_path / "log"
    with log.open("w") as out:
        demo = subprocess.Popen(
            [*command, "--output", str(tmp_path / "pictures")],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        deadline = time.monotonic() + 300
        while "Ctrl-C" not in log.read_text() and demo.poll() is None and time.monotonic() < deadline:
            time.sleep(0.3)
        said = log.read_text()
        url = re.search(r"http://127\.0\.0\.1:\d+", said).group()
        assert (tmp_path / "pictures" / "contact_sheet.png").is_file(), said
        assert listens(url)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) in (0, 130), log.read_text()
        assert "Traceback" not in log.read_text()
        assert not listens(url)
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait(60)


def test_a_clone_in_custom_nodes_is_all_it_takes(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("this checkout has no git history to clone")
    clone: Path = tmp_path / "cellstyle"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", str(clone)], check=True)
    install = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--quiet"]
    done = subprocess.run([*install, "-r", str(clone / "requirements.txt")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr  # nothing that the tests' own environment lacks
    with ComfyServer(pack=clone, cpu=True, env={"OMP_NUM_THREADS": "2"}) as server:
        assert {node.define_schema().node_id for node in NODES} <= set(server.client.object_info())
        assert server.client.json("/api/workflow_templates")["cellstyle"]
