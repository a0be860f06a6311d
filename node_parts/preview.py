"""Progress and live preview of a pass, as ComfyUI's own samplers show them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import latent_preview


def preview_of(model) -> Callable[[int], Callable]:
    """progress(steps) for the engine: gives the callback (step, denoised, x, steps) of one pass of a MODEL."""
    return partial(latent_preview.prepare_callback, model)


class SharedPreview:
    """progress(steps) for several passes of a MODEL, all with as many steps: one bar over all of them.

    `total`: steps of all passes, known with the first.
    """

    def __init__(self, model, passes: int):
        self.model, self.passes, self.total, self.done, self._report = model, passes, 0, 0, None

    def __call__(self, steps: int) -> Callable:
        """The callback (step, denoised, x, steps) of the next pass."""
        if self._report is None:
            self.total = self.passes * steps
            self._report = preview_of(self.model)(self.total)
        before, self.done = self.done, self.done + steps

        def callback(step, denoised, x, steps):
            self._report(before + step, denoised, x, self.total)

        return callback
