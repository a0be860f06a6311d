"""Where training keeps its files, and a way to ComfyUI's modules without a server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / ".training"
WEIGHTS = ROOT / "demo_model" / "cellstyle_demo.safetensors"


def use_comfyui() -> None:
    """Put ComfyUI (the one that tools/host.py prepared, or COMFYUI_PATH) on the path, once."""
    if "comfy.cli_args" in sys.modules:
        return
    sys.path.append(str(ROOT / "tools"))
    from host_layout import find

    sys.path.insert(0, str(find().comfyui))
    on_gpu = os.environ.get("CELLSTYLE_TRAIN_ON", "") == "cuda"
    argv, sys.argv = sys.argv, [sys.argv[0], *([] if on_gpu else ["--cpu"]), "--use-pytorch-cross-attention"]
    try:
        import comfy.options

        comfy.options.enable_args_parsing()
        import comfy.cli_args
        import comfy.model_management
    finally:
        sys.argv = argv
