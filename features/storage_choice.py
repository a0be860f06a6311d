"""Where captured features wait, and in which precision."""

from __future__ import annotations

from dataclasses import dataclass

import comfy.model_management
import torch

STORAGE_MODES = ("auto", "device", "ram", "recompute")
PRECISIONS = ("full", "fp8")
FP8 = torch.float8_e4m3fn
# how much of what is free "auto" fills with one capture; the rest is the network's and other nodes'
_DEVICE_SHARE, _RAM_SHARE = 0.25, 0.5


@dataclass(frozen=True)
class Storage:
    """A choice that was made. place: "device", "ram" or "recompute". expected: bytes that will be kept."""

    place: str
    device: torch.device
    fp8: bool
    expected: int

    def __str__(self) -> str:
        """As the log says it."""
        size = f"{self.expected / 1e6:.1f} MB" if self.expected < 1e7 else f"{self.expected / 1e6:.0f} MB"
        if self.place == "recompute":
            return f"about {size} of latents, features computed again while sampling"
        return f"about {size} of features{' in fp8' if self.fp8 else ''} on {self.device.type}"


def choose_storage(
    storage: str, precision: str, features: int, trajectory: int, load_device: torch.device, repeatable: bool = True
) -> Storage:
    """What "auto" comes to, and what the others do.

    Args:
        storage: one of STORAGE_MODES. precision: one of PRECISIONS.
        features: bytes of the features at the storage's precision. trajectory: bytes of the latents alone.
        repeatable: False where the conditioning carries a ControlNet or hooks, which belong to one run.
    Raises:
        ValueError: "recompute" is asked for and the conditioning is not repeatable.
    """
    cpu = torch.device("cpu")
    fp8 = precision == "fp8"
    again = Storage("recompute", cpu, False, trajectory)
    in_ram = Storage("ram", cpu, fp8, features)
    on_device = in_ram
    if load_device.type != "cpu" and not (fp8 and load_device.type == "mps"):  # MPS has no fp8
        on_device = Storage("device", load_device, fp8, features)
    if storage == "recompute":
        if not repeatable:
            raise ValueError(
                "storage is recompute, but the conditioning carries a ControlNet or hooks, which the sampler cannot "
                "run again on its own. Choose ram or auto, or connect a conditioning without them."
            )
        return again
    if storage == "device":
        return on_device
    if storage == "ram":
        return in_ram
    if on_device.place == "device" and features < _DEVICE_SHARE * comfy.model_management.get_free_memory(load_device):
        return on_device
    if repeatable and features > _RAM_SHARE * comfy.model_management.get_free_memory(cpu):
        return again
    return in_ram


def to_fp8(n: torch.Tensor) -> torch.Tensor:
    """n as float8 e4m3, saturated at its largest value, 448: layer-normed states stay far below it."""
    top = torch.finfo(FP8).max
    return n.clamp(-top, top).to(FP8)


def is_repeatable(conditioning: list) -> bool:
    """Whether a CONDITIONING can be run again later, apart from the run that prepared its ControlNets and hooks."""
    return not any(extra.get("control") or extra.get("hooks") for _, extra in conditioning)
