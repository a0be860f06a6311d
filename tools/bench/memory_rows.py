"""Row d: peak memory of a whole transfer above a plain run's, a storage mode, beside what the node predicted.

Every measurement is a process of its own, so that no other run's peak is in it.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench_tables import on_gpu, subjects, table

APART = "recompute apart"  # as where memory is short
MODES = (("plain", "full"), ("device", "full"), ("ram", "full"), ("ram", "fp8"), ("recompute", "full"), (APART, "full"))


def rows(options) -> list[dict]:
    """Prints the table; returns [{model, pixels, steps, storage, ram, device, kept}] in bytes."""
    found = []

    def lines():
        for each in transfers(options):
            found.append(each)
            yield [
                f"{each['kind']} {each['precision']}, {each['pixels']} px, {each['steps']} steps",
                *(each["mode"], f"{each['predicted'] / 1e6:.1f}", f"{each['kept'] / 1e6:.1f}"),
                *(f"{each['ram'] / 1e6:.0f}", f"{each['device'] / 1e6:.0f}"),
            ]

    heads = ["both images", "storage, precision", "predicted MB", "kept MB", "peak RAM above plain", "on the device"]
    table("d. Memory", heads, lines())
    return found


def transfers(options) -> Iterator[dict]:
    """A measurement of every model and storage mode, less the plain run's peaks."""
    for subject, pixels, _ in subjects(options):
        if subject.precision == "bf16":  # as large as fp16, and slow on most CPUs
            continue
        full_size = subject.kind == "sd15"
        steps = 4 if options.quick or (full_size and not on_gpu()) else 50  # 50 would take a CPU minutes
        steps = (full_size and options.full_steps) or steps
        task = {"kind": subject.kind, "precision": subject.precision, "pixels": pixels, "steps": steps}
        plain = None
        for storage, feature in MODES:
            if storage == "device" and not on_gpu():  # on a CPU that is RAM
                continue
            task.update(storage=storage, feature=feature)
            measured = in_a_process(task)
            plain = plain or measured
            if storage != "plain":
                above = {key: measured[key] - plain[key] for key in ("ram", "device")}
                yield {**task, **measured, **above, "mode": f"{storage}, {feature}"}


def in_a_process(task: dict) -> dict:
    """What `measure` of its row says of a task, in a process of its own."""
    script = Path(__file__).resolve().parent.parent / "bench.py"
    done = subprocess.run(
        [sys.executable, str(script), "--child", json.dumps(task)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(task: dict) -> dict:
    """{ram, device: peak bytes of the run; kept: bytes in both banks; predicted: what the log announced}."""
    import torch
    from bench_models import Subject

    torch.set_grad_enabled(False)
    subject, storage = Subject(task["kind"], task["precision"]), task["storage"]
    if storage == APART:
        from cellstyle.engine import recompute

        storage, recompute._has_room = "recompute", lambda *_: False  # a process measures one mode
    content, style = (subject.latent(task["pixels"], seed=seed) for seed in (1, 2))
    said, log = _Announced(), logging.getLogger()
    log.addHandler(said)
    log.setLevel(logging.INFO)
    subject.plain(content, torch.tensor([1.0, 0.0]))  # loads the model
    before = reset_peaks()
    if storage == "plain":
        subject.plain(content, torch.linspace(14, 0, 4))
        kept = 0
    else:
        inverted, query, _ = subject.invert(content, task["steps"], storage, task["feature"])
        style_kv, _ = subject.capture(style, task["steps"], storage, task["feature"])
        subject.sample(inverted, style_kv, query)
        kept = query.bank.nbytes() + style_kv.bank.nbytes()
    ram, device = peaks()
    log.removeHandler(said)
    return {"ram": ram - before[0], "device": device - before[1], "kept": kept, "predicted": said.bytes}


class _Announced(logging.Handler):
    """Adds up the estimates that the nodes log before they start."""

    bytes = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "; about " in text:
            self.bytes += float(text.split("; about ")[1].split(" MB")[0]) * 1e6


def reset_peaks() -> tuple[int, int]:
    """Lets the peaks start anew; gives what is in use now."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts anew
    return peaks()


def peaks() -> tuple[int, int]:
    """Peak bytes of the process, and on the device."""
    import torch

    ram = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    return ram, torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
