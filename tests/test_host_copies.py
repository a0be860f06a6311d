"""Staging between a CUDA device and RAM, on a stand-in for torch.cuda that keeps every copy waiting as long as it may.

The stand-in delivers a queued copy only when something waits for its event: what is read too early is garbage.
"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
import run_nodes
import torch
from cellstyle.attention_patch.architectures.choose import architecture_of
from cellstyle.attention_patch.model_patch import StyleInjection
from cellstyle.attention_patch.sigma_dials import SigmaDials
from cellstyle.engine import invert
from cellstyle.features import host_copies
from cellstyle.features.bank_writer import BankWriter
from cellstyle.features.wire_values import StyleKV
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from residual_blocks import residuals_or_skip

GARBAGE = -1.0


class Queue:
    """Copies that were asked for and have not happened yet, and what has been done in which order."""

    def __init__(self):
        self.copies, self.log = [], []

    def run(self):
        for target, source in self.copies:
            torch.Tensor.copy_(target, source)
        self.copies.clear()


class Event:
    def __init__(self, queue):
        self.queue, self.done = queue, False

    def record(self):
        self.queue.log.append("record")

    def synchronize(self):
        self.queue.run()
        self.done = True

    def query(self):
        return self.done


class LateTensor(torch.Tensor):
    """A tensor whose non-blocking copies happen when their event is waited for."""

    queue: Queue

    def copy_(self, source, non_blocking=False):
        assert non_blocking, "a blocking copy would hold the device up"
        self.queue.copies.append((self.as_subclass(torch.Tensor), source.detach().clone()))
        return self

    def to(self, device, non_blocking=False):
        assert non_blocking
        late = torch.full_like(self.as_subclass(torch.Tensor), GARBAGE).as_subclass(type(self))
        self.queue.copies.append((late.as_subclass(torch.Tensor), self.as_subclass(torch.Tensor).clone()))
        return late

    def record_stream(self, stream):
        self.queue.log.append("record_stream")


@pytest.fixture
def queue(monkeypatch):
    queue = Queue()
    kind = type("Late", (LateTensor,), {"queue": queue})

    class Stream:
        def __init__(self, device=None):
            pass

        def wait_event(self, event):
            queue.log.append("wait")
            event.synchronize()

    cuda = SimpleNamespace(
        Event=lambda: Event(queue),
        Stream=Stream,
        stream=lambda stream: contextlib.nullcontext(),
        current_stream=lambda device: Stream(),
    )

    def empty(shape, dtype, pin_memory):
        assert pin_memory
        return torch.full(shape, GARBAGE, dtype=dtype).as_subclass(kind)

    fake = SimpleNamespace(
        cuda=cuda, empty=empty, Tensor=torch.Tensor, device=torch.device, contiguous_format=torch.contiguous_format
    )
    monkeypatch.setattr(host_copies, "torch", fake)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self.clone().as_subclass(kind))
    return queue


def levels(count: int) -> list[dict[str, torch.Tensor]]:
    return [{name: torch.full((1, 3, 2), 10.0 * i + j) for j, name in enumerate("ab")} for i in range(count)]


def into(kept: dict):
    return lambda key, buffer: kept.update({key: buffer.as_subclass(torch.Tensor).clone()})


def test_every_level_arrives_in_ram_one_level_late(queue):
    to_ram, kept = host_copies.ToRam(), [{} for _ in range(3)]
    for i, tensors in enumerate(levels(3)):
        to_ram.put(tensors, into(kept[i]))
        assert not kept[i], "the host has waited for the level that the device is still computing"
        assert all(kept[:i])
    to_ram.finish()
    for stored, tensors in zip(kept, levels(3), strict=True):
        assert {name: value.tolist() for name, value in stored.items()} == {n: t.tolist() for n, t in tensors.items()}


def test_finishing_twice_and_finishing_nothing_are_fine(queue):
    to_ram = host_copies.ToRam()
    to_ram.finish()
    kept = {}
    to_ram.put(levels(1)[0], into(kept))
    to_ram.finish()
    to_ram.finish()
    assert set(kept) == {"a", "b"}


@pytest.mark.parametrize(("precision", "residuals"), [("full", ""), ("fp8", ""), ("full", "output.4")])
def test_a_capture_through_pinned_memory_keeps_what_a_direct_one_keeps(queue, monkeypatch, precision, residuals):
    given = {"steps": 3, "storage": "ram", "feature_precision": precision, "residual_features": residuals}

    def captured():
        content = run_nodes.latent(1, 4, 16, 16)
        return run_nodes.invert(tiny_model(), tiny_conditioning(), content, **given)[1].bank

    with residuals_or_skip():
        direct = captured()
    cuda = torch.device("cuda", 0)
    monkeypatch.setattr(invert, "BankWriter", lambda name, bank, storage, source: BankWriter(name, bank, storage, cuda))
    staged = captured()
    assert queue.log.count("record") == 3, "one wait a level, residual features included"
    assert set(direct.blocks) == set(direct.layers) and len(direct.residuals) == (1 if residuals else 0)
    for one, other in ((direct.blocks, staged.blocks), (direct.residuals, staged.residuals)):
        assert list(one) == list(other)
        for key, block in one.items():
            assert len(block) == 3
            assert torch.equal(block.float(), other[key].as_subclass(torch.Tensor).float())


@pytest.mark.parametrize("foreseen", [True, False])
def test_a_level_is_on_the_device_when_it_is_taken(queue, foreseen):
    to_device, stored = host_copies.ToDevice(torch.device("cuda", 0)), levels(4)
    for i, tensors in enumerate(stored):
        taken = to_device.take(i, tensors)
        assert {name: t.tolist() for name, t in taken.items()} == {name: t.tolist() for name, t in tensors.items()}
        assert queue.log[-2:] == ["record_stream"] * 2, "memory of another stream could be given away too early"
        if foreseen and i + 1 < len(stored):
            to_device.ahead(i + 1, stored[i + 1])
            to_device.ahead(i + 1, stored[i + 1])
            assert len(to_device._ready) == 1
    assert not to_device._ready, "copies were kept after the last level"


def test_pinned_buffers_do_not_pile_up(queue):
    to_device = host_copies.ToDevice(torch.device("cuda", 0))
    for i, tensors in enumerate(levels(30)):
        to_device.take(i, tensors)
    assert len(to_device._pinned) <= 2


class Elsewhere(torch.Tensor):
    """Memory of another CUDA device, which cannot be pinned."""

    @property
    def device(self):
        return torch.device("cuda", 1)

    def to(self, device, non_blocking=False):
        return self.as_subclass(torch.Tensor).clone().as_subclass(LateTensor)


def no_pinning(self):
    raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned")


def test_features_on_another_cuda_device_are_copied_without_pinning(queue, monkeypatch):
    monkeypatch.setattr(Elsewhere, "pin_memory", no_pinning, raising=False)
    monkeypatch.setattr(LateTensor, "queue", queue, raising=False)
    to_device, given = host_copies.ToDevice(torch.device("cuda", 0)), levels(1)[0]
    taken = to_device.take(0, {name: tensor.as_subclass(Elsewhere) for name, tensor in given.items()})
    assert {name: t.tolist() for name, t in taken.items()} == {name: t.tolist() for name, t in given.items()}


def test_every_device_has_copies_of_its_own(queue, monkeypatch):
    model, conditioning = tiny_model(), tiny_conditioning()
    bank = run_nodes.capture(model, conditioning, run_nodes.latent(1, 4, 8, 8), steps=2, storage="ram")[0].bank
    injection = StyleInjection(architecture_of(model), StyleKV(bank), None, SigmaDials(layers=bank.layers))
    devices = [torch.device("cuda", i) for i in range(2)]
    for device in (*devices, *devices):
        found = injection._features(bank, 0, {}, device)
        assert all(torch.equal(n, bank.blocks[layer][0]) for layer, n in found.tensors.items())
    assert {device: copier.device for device, copier in injection._copies.items()} == dict(
        zip(devices, devices, strict=True)
    )
