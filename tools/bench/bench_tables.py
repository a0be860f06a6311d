"""What all rows of the benchmark share: the models that are measured, and the table that is printed."""

from __future__ import annotations

from collections.abc import Iterable

from bench_models import ROOT


def table(title: str, heads: list[str], lines: Iterable[list]) -> None:
    """A Markdown table on the terminal, each line as soon as `lines` has it."""
    print(f"### {title}\n")
    print("| " + " | ".join(heads) + " |")
    print("| " + " | ".join("---" if i == 0 else "---:" for i in range(len(heads))) + " |", flush=True)
    for line in lines:
        print("| " + " | ".join(map(str, line)) + " |", flush=True)
    print(flush=True)


def on_gpu() -> bool:
    """Whether ComfyUI computes on an accelerator."""
    import comfy.model_management as management

    return management.get_torch_device().type != "cpu"


def subjects(options) -> list:
    """The models that the options ask for, with the picture's side in pixels and the repeats for each."""
    from bench_models import Subject

    gpu = on_gpu()
    repeats = options.repeats or (3 if options.quick else 7)
    side, fewer = options.full_size or (512 if gpu else 256), repeats if gpu else (repeats + 1) // 2  # minutes each
    found = {"tiny": (Subject("tiny"), 256, repeats)}
    if not options.quick:
        if (ROOT / "demo_model" / "cellstyle_demo.safetensors").exists():
            found["demo"] = Subject("demo"), 256, repeats
        for precision in ("fp16",) if gpu else ("fp32", "bf16"):
            found[f"sd15-{precision}"] = Subject("sd15", precision), side, fewer
    return [subject for name, subject in found.items() if name in options.models]
