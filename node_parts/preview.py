"""Progress and live preview of a pass, as ComfyUI's own samplers show them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import latent_preview


def preview_of(model) -> Callable[[int], Callable]:
    """progress(steps) for the engine: gives the callback (step, denoised, x, steps) of one pass of a MODEL."""
    return partial(latent_preview.prepare_callback, model)
