"""The guider and the random numbers of the pack's own passes through the model."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import comfy.samplers
import torch


def guider_for(name: str, model, conditioning: list, negative: list | None = None, cfg: float = 1.0):
    """ComfyUI's guider for a MODEL.

    Some guidance nodes (SelfAttentionGuidance) work on a second, unconditional prediction even without CFG, and fail
    without one: there the conditioning itself takes its place, as for an empty prompt it is.

    Args:
        name: the node's, for the log. negative: CONDITIONING, or None for no guidance.
    """
    guider = comfy.samplers.CFGGuider(model)
    if negative is None and model.model_options.get("disable_cfg1_optimization"):
        logging.info(f"{name}: a guidance node on the model wants a negative conditioning; it gets the positive one")
        negative = conditioning
    if negative is None:
        guider.inner_set_conds({"positive": conditioning})
    else:
        guider.set_conds(conditioning, negative)
        guider.set_cfg(cfg)
    return guider


@contextmanager
def repeatable_random_numbers(device: torch.device) -> Iterator[None]:
    """The same global random numbers for every run, for nodes that draw them (Token Merging, HyperTile); those of the
    host go on afterwards as if nothing had been drawn. device: the one that the network runs on."""
    own = device.type in ("cuda", "xpu")
    with torch.random.fork_rng([device] if own else [], device_type=device.type if own else "cuda"):
        torch.manual_seed(0)
        yield
