"""Puts a real ComfyUI on the path (CPU), and the repository's root under the name `cellstyle`, as a server would."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[1:1] = [str(ROOT / "tests"), str(ROOT / "tests" / "support")]
sys.path.append(str(ROOT / "tools"))

from comfy_client import ComfyClient  # noqa: E402
from comfy_server import ComfyServer  # noqa: E402
from front_end import front_end_root, front_end_version  # noqa: E402
from host_layout import PATIENT_THREADS, find, host_root  # noqa: E402
from places import TEST_NODES  # noqa: E402

os.environ.setdefault(*PATIENT_THREADS)  # before torch is imported


def _use_comfyui() -> None:
    host = find()
    if not host.owned:
        sys.pycache_prefix = str(host_root() / "pycache")  # leave no trace in the user's ComfyUI
    base = host_root() / "runs" / f"in-process-{os.getpid()}-0"  # named as prune_runs expects it
    base.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(host.comfyui))
    options = ["--cpu", "--use-pytorch-cross-attention", "--base-directory", str(base)]
    argv, sys.argv = sys.argv, [sys.argv[0], *options]
    try:
        import comfy.options

        comfy.options.enable_args_parsing()
        import comfy.cli_args
        import comfy.model_management
    finally:
        sys.argv = argv


def _load_package() -> None:
    assert "cellstyle" not in sys.modules, "conftest.py was imported a second time: import from places.py instead"
    spec = importlib.util.spec_from_file_location(
        "cellstyle", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["cellstyle"] = module
    spec.loader.exec_module(module)


_use_comfyui()
_load_package()


@pytest.fixture(autouse=True)
def _no_grad():
    import torch

    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def front_end_arguments(request: pytest.FixtureRequest) -> list[str]:
    """What a server is started with, so that it hands out the front end that --front-end names."""
    version = request.config.getoption("--front-end")
    if not version:
        return []
    root = front_end_root(version)
    print(f"front end {front_end_version(root)}")
    return ["--front-end-root", str(root)]


# the cache that a version has by default, but whatever else is running takes no results out of it
CACHE = ["--cache-ram", "0"]


@pytest.fixture(scope="session")
def server(front_end_arguments: list[str]) -> Iterator[ComfyServer]:
    """One real ComfyUI server for the whole session, with the pack and the test nodes loaded; started on first use.

    `server.client` talks to it, `server.input_dir` and `server.output_dir` are its folders, `server.log()` its log.
    Its node cache lives on between tests: call `server.client.free()` for a cold start. A test that must restart or
    configure a server makes its own ComfyServer.
    """
    arguments = [*CACHE, *front_end_arguments]
    with ComfyServer(
        extra_custom_nodes=[TEST_NODES], cpu=True, args=arguments, env={"OMP_NUM_THREADS": "2"}
    ) as running:
        yield running


@pytest.fixture(scope="session")
def frugal_server() -> Iterator[ComfyServer]:
    """A second server, whose cache keeps the last prompt's results alone: what else is alive was left behind."""
    with ComfyServer(
        extra_custom_nodes=[TEST_NODES], cpu=True, args=["--cache-classic"], env={"OMP_NUM_THREADS": "2"}
    ) as running:
        yield running


@pytest.fixture
def client(server: ComfyServer) -> ComfyClient:
    """The shared server's client."""
    return server.client


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium for Playwright's `executable_path`; without one, fail where CI is set and skip elsewhere."""
    for name in ("chromium", "google-chrome", "chromium-browser"):
        if path := shutil.which(name):
            return path
    reason = "no Chromium on PATH (the Debian package is called chromium)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--front-end", help="a version of comfyui-frontend-package for the browser tests, or newest")
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew from the nodes as they are")
