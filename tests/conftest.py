"""Puts a real ComfyUI on the path (CPU), and the repository's root under the name `cellstyle`, as a server would."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMFYUI = Path(os.environ.get("CELLSTYLE_COMFYUI") or ROOT / ".host" / "ComfyUI-0.30.0")


def _use_comfyui() -> None:
    if not (COMFYUI / "comfy").is_dir():
        raise RuntimeError(f"no ComfyUI at {COMFYUI}; run the tests with python3 tools/test.py")
    sys.path.insert(0, str(COMFYUI))
    sys.path[1:1] = [str(ROOT / "tests"), str(ROOT / "tests" / "support")]
    argv, sys.argv = sys.argv, [sys.argv[0], "--cpu", "--use-pytorch-cross-attention"]
    try:
        import comfy.options

        comfy.options.enable_args_parsing()
        import comfy.cli_args
        import comfy.model_management
    finally:
        sys.argv = argv


def _load_package() -> None:
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
