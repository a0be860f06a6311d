"""Tells ComfyUI's loader of memory that features take on the device, so that weights leave room for them."""

from __future__ import annotations

import math
from functools import partial

from comfy.patcher_extension import WrappersMP

KEY = "cellstyle_room"


def announce(clone, nbytes: int) -> None:
    """Has the weights of a MODEL clone leave `nbytes` more free on the device than its network calls need.

    ComfyUI asks the model how much a batch of a size needs; it is asked for as many more rows as need that much.
    """
    if nbytes > 0:
        clone.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, KEY, partial(_with_room, nbytes))


def _with_room(nbytes: int, executor, model, noise_shape, *args, **kwargs):
    row = model.model.memory_required([1, *noise_shape[1:]])
    more = math.ceil(nbytes / row) if row > 0 else 0
    return executor(model, [noise_shape[0] + more, *noise_shape[1:]], *args, **kwargs)
