"""The LATENT dictionary of ComfyUI with other samples in it."""

from __future__ import annotations

import torch


def with_samples(latent: dict, samples: torch.Tensor) -> dict:
    """A copy of a LATENT that holds other samples.

    `batch_index`, the seeds' numbers that Latent From Batch notes for each image, goes where the count has changed: it
    would say of more images than it names where they came from.
    """
    copy = {**latent, "samples": samples}
    if len(samples) != len(latent["samples"]):
        copy.pop("batch_index", None)
    return copy
