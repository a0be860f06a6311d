"""Where captured features are kept, and in which precision: inputs of every node that captures."""

from __future__ import annotations

from comfy_api.latest import io

from ..features.storage_choice import PRECISIONS, STORAGE_MODES


def storage_input(optional: bool = False):
    """The combo of every node that captures; options append only."""
    return io.Combo.Input(
        "storage",
        options=list(STORAGE_MODES),
        default="auto",
        optional=optional,
        advanced=True,
        tooltip=(
            "Where the captured features wait. auto: on the device while they fit easily, else in RAM, else recompute. "
            "device: fastest. ram: leaves the graphics memory free. recompute: keeps only the latents, a few MB, and "
            "computes the features again while sampling, which takes two to three times as long."
        ),
    )


def precision_input():
    """The optional precision of what is stored; options append only."""
    return io.Combo.Input(
        "feature_precision",
        options=list(PRECISIONS),
        default="full",
        optional=True,
        advanced=True,
        tooltip=(
            "full: features as the model computes them. fp8: half the memory of fp16, with a rounding error of about "
            "3 % (the log says how much) that is hard to see in the picture."
        ),
    )
