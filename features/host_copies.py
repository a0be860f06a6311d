"""Features in ordinary RAM without the device ever waiting for them: staged through a little pinned memory.

Only CUDA devices need it. Pinning everything would take up to twice the memory, since pinned blocks are rounded up to
powers of two; two levels' worth is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import torch


class ToRam:
    """Takes tensors off the device, one level behind: `put` queues the copies of a level, and moves the previous
    level's from pinned memory to where it stays. `finish` moves the last."""

    def __init__(self) -> None:
        self._waiting: tuple[dict, Callable, torch.cuda.Event] | None = None

    def put(self, tensors: Mapping, keep: Callable[[Hashable, torch.Tensor], object]) -> None:
        """tensors: {key: (...) on the device}. keep: gets each key with a tensor in RAM to copy, at the next call."""
        staged = {k: torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for k, t in tensors.items()}
        for key, buffer in staged.items():
            buffer.copy_(tensors[key], non_blocking=True)  # on the network's own stream: after it, before the next call
        event = torch.cuda.Event()
        event.record()
        self.finish()
        self._waiting = (staged, keep, event)

    def finish(self) -> None:
        """Waits for what is still under way and puts it where it stays."""
        if self._waiting is None:
            return
        staged, keep, event = self._waiting
        self._waiting = None
        event.synchronize()
        for key, buffer in staged.items():
            keep(key, buffer)


class ToDevice:
    """Copies of one level's tensors on a CUDA device, made on a stream of their own while the level before is computed.

    `ahead` starts the copies of a level, `take` hands them over; a level that was not copied ahead is copied then. Any
    hashable key names a level.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self._stream = torch.cuda.Stream(device)
        self._ready: dict[Hashable, tuple[dict, torch.cuda.Event]] = {}
        self._pinned: list[tuple[dict, torch.cuda.Event]] = []

    def ahead(self, key: Hashable, tensors: Mapping) -> None:
        """tensors: {name: tensor in RAM or on another device}."""
        if key in self._ready:
            return
        # a pinned buffer goes back to PyTorch's pool only when its copy has left it
        self._pinned = [(buffers, event) for buffers, event in self._pinned if not event.query()]
        staged = {name: t.pin_memory() if t.device.type == "cpu" else t for name, t in tensors.items()}
        with torch.cuda.stream(self._stream):
            copies = {name: buffer.to(self.device, non_blocking=True) for name, buffer in staged.items()}
            event = torch.cuda.Event()
            event.record()
        self._pinned.append((staged, event))
        self._ready[key] = (copies, event)

    def take(self, key: Hashable, tensors: Mapping) -> dict:
        """{name: the tensor on the device}; the network's stream waits for it, the host does not."""
        self.ahead(key, tensors)
        copies, event = self._ready.pop(key)
        stream = torch.cuda.current_stream(self.device)
        stream.wait_event(event)
        for copy in copies.values():
            copy.record_stream(stream)  # its memory was taken on the other stream
        return copies
