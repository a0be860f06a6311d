"""Row of frames: peak memory of a time-lapse with all frames at once, and by groups; a process each."""

from __future__ import annotations

from bench_tables import table
from memory_rows import in_a_process, peaks, reset_peaks
from tile_rows import SETTINGS

GROUP = 4


def rows(options) -> list[dict]:
    """Prints the table; returns [{frames, at_once, ram, device}] in bytes above the loaded model and the frames."""
    counts, side, steps = ((4, 8), 128, 2) if options.quick else ((8, 32), 256, 4)
    found = []

    def lines():
        for count in counts:
            line = []
            for at_once in (count, GROUP):
                task = {"frames": count, "at_once": at_once, "pixels": side, "steps": steps}
                found.append({**task, **in_a_process(task)})
                line.append(found[-1]["ram"] + found[-1]["device"])
            yield [f"{count} frames", *(f"{value / 1e6:.0f}" for value in line), f"{line[1] / line[0]:.2f}"]

    heads = ["tiny model", "all at once, MB", f"groups of {GROUP}, MB", "ratio"]
    table(f"Frames: peak memory above the model's ({side} px, {steps} steps, features in RAM)", heads, lines())
    return found


def measure(task: dict) -> dict:
    """{ram, device}: peak bytes of one run of the node."""
    import torch
    from bench_models import Subject
    from cellstyle.nodes.transfer_frames import CellStyleTransferFrames
    from comfy_test_nodes.tiny_models import tiny_vae

    torch.set_grad_enabled(False)
    subject, vae, side = Subject("tiny"), tiny_vae(), task["pixels"]
    frames = torch.rand(task["frames"], side, side, 3, generator=torch.Generator().manual_seed(0))
    style = torch.rand(1, side, side, 3, generator=torch.Generator().manual_seed(1))

    def run(content, at_once: int, steps: int) -> None:
        CellStyleTransferFrames.execute(
            *(subject.model, subject.conditioning, vae, content, style),
            frames_at_once=at_once,
            steps=steps,
            **SETTINGS,
        )

    run(frames[:1], 1, 1)  # what only a first run does
    before = reset_peaks()
    run(frames, task["at_once"], task["steps"])
    ram, device = peaks()
    return {"ram": ram - before[0], "device": device - before[1]}
