"""The features of a bank that keeps only its latents: the model visits every level once more."""

from __future__ import annotations

import functools

import comfy.samplers
import comfy.utils
import torch

from ..attention_patch.architectures.choose import architecture_of
from ..attention_patch.call_state import model_options_with
from ..attention_patch.capture import with_capture
from ..equations.noise_levels import inversion_levels
from ..features.bank_writer import BankWriter
from ..features.feature_bank import FeatureBank
from ..features.storage_choice import Storage
from .announce import announce
from .guider import guider_for, repeatable_random_numbers


def recompute_features(model, bank: FeatureBank, storage: Storage) -> None:
    """Fills a bank's features: the model's own pass over the latents it saw at the capture, one call a level.

    Raises: ValueError: another node replaced a block of the model, so that a layer could not be read.
    """
    architecture = architecture_of(model)
    patched = with_capture(model, architecture)
    if storage.place == "device":
        announce(patched, storage.expected)
    levels = inversion_levels(bank.sigmas, architecture.first_sigma("ddim"))
    guider = guider_for("CellStyleLoad", patched, bank.conditioning)
    blank = torch.zeros_like(bank.clean)
    writer = BankWriter("CellStyleLoad", bank, storage, model.load_device)
    progress = comfy.utils.ProgressBar(len(levels) - 1)  # no preview: the front end would show it for the thumbnail
    with repeatable_random_numbers(model.load_device):
        guider.sample(
            blank,
            blank,
            comfy.samplers.KSAMPLER(functools.partial(_visit_levels, bank=bank, writer=writer)),
            levels,
            callback=lambda step, denoised, x, steps: progress.update_absolute(step + 1, steps),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=0,
        )


def _visit_levels(model, x, sigmas, extra_args=None, callback=None, disable=None, *, bank, writer):
    """A sampler function that replays the stored inputs once a level, the least noisy first; returns x unchanged."""
    model_options = extra_args["model_options"]
    for i, level in enumerate(reversed(range(len(bank.levels)))):
        seen = bank.inputs[level].to(x.device)
        args = {**extra_args, "model_options": model_options_with(model_options, recorder=writer.recorder(level))}
        denoised = model(seen, bank.levels[level] * seen.new_ones([len(seen)]), **args)
        if callback is not None:
            callback({"x": seen, "i": i, "sigma": sigmas[i + 1], "sigma_hat": sigmas[i + 1], "denoised": denoised})
    writer.finish()
    return x
