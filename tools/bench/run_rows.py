"""All rows of the benchmark, printed as Markdown tables and kept for --json."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

from bench_models import use_pack


def run(options) -> int:
    """Measures what was asked for; returns the exit code."""
    use_pack()
    import comfy.utils
    import torch

    torch.set_grad_enabled(False)
    comfy.utils.PROGRESS_BAR_ENABLED = False
    found: dict = {"machine": machine()}
    print(f"{found['machine']}\n", flush=True)
    for name in options.only:
        found[name] = _rows(name)(options)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1))
    return 0


def child(options) -> int:
    """One memory measurement, in this process of its own; prints JSON."""
    use_pack()
    import comfy.utils
    import frame_rows
    import memory_rows

    comfy.utils.PROGRESS_BAR_ENABLED = False

    task = json.loads(options.child)
    print(json.dumps((frame_rows if "frames" in task else memory_rows).measure(task)))
    return 0


def _rows(name: str):
    import fleet_rows
    import frame_rows
    import memory_rows
    import picture_rows
    import scaling_rows
    import step_rows
    import tile_rows
    import transfer_rows
    import transformer_rows

    def quality(options):
        import quality_rows
        import style_quality
        from transfer_quality import transfers

        found = quality_rows.rows(options)
        return found if options.quick else [*found, *transfers(options.pictures), *style_quality.rows()]

    return {
        "picture": picture_rows.rows,
        "steps": step_rows.rows,
        "transfer": transfer_rows.rows,
        "memory": memory_rows.rows,
        "scaling": scaling_rows.rows,
        "quality": quality,
        "fleet": fleet_rows.rows,
        "tiles": tile_rows.rows,
        "frames": frame_rows.rows,
        "transformers": transformer_rows.rows,
    }[name]


def machine() -> str:
    """What was measured on, in a line."""
    import comfy.model_management as management
    import torch

    device = management.get_torch_device()
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    memory = management.get_total_memory(device) / 2**30
    from comfyui_version import __version__

    return (
        f"{where}, {memory:.0f} GiB, {os.cpu_count()} cores, {torch.get_num_threads()} threads; "
        f"ComfyUI {__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in path.read_text().splitlines() if line.startswith("model name")]
        if (path.exists())
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()
