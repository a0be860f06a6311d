"""One inversion pass that records features: for DDIMInvert and StyleKVCapture."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable

import comfy.model_management
import comfy.samplers
import comfy.utils
import torch

from ..attention_patch.architectures.choose import architecture_of
from ..attention_patch.call_state import model_options_with
from ..attention_patch.capture import with_capture
from ..equations.ddim_inversion import sample_ddim_inversion
from ..equations.noise_levels import inversion_levels
from ..equations.round_trip import RoundTrip, RoundTripEstimate
from ..features.bank_writer import BankWriter
from ..features.feature_bank import FeatureBank
from ..features.storage_choice import FP8, choose_storage, is_repeatable
from .announce import announce
from .check_conditioning import check_conditioning
from .checks import check_inverted, check_latent, check_not_blank, check_uninjected
from .dials import InversionDials
from .guider import guider_for, repeatable_random_numbers
from .inverted_latent import Inversion, signal_share, with_inversion

# estimated decibels of a round trip, below which the content visibly drifts
_POOR = 20


def invert_and_record(
    name: str,
    model,
    conditioning,
    latent: dict,
    dials: InversionDials,
    role: str = "style",
    progress: Callable[[int], Callable] | None = None,
) -> tuple[dict, FeatureBank]:
    """Inverts a LATENT with a clone of MODEL and records the hidden states of the chosen layers in the same pass.

    Args:
        name: the node's name, for the log.
        role: "content" or "style", see `FeatureBank`.
        progress: called with the number of steps; gives the callback (step, denoised, x, steps) of the pass.
    Returns:
        the inverted LATENT, which carries how it was inverted (`inverted_latent`), and the bank.
    Raises:
        ValueError: see `checks` and `Architecture.select`.
    """
    architecture = architecture_of(model)
    check_uninjected(name, model)
    samples = check_latent(latent, architecture, f"{name}'s latent")
    check_not_blank(samples, f"{name}'s latent")
    chosen = architecture.select(dials.layers)
    given = dials.sigmas is not None
    if given:
        sampling_sigmas = architecture.fit_sigmas(dials.sigmas)
    else:
        sampling_sigmas = architecture.sampling_sigmas(dials.steps, dials.spacing)
    check_conditioning(name, model, conditioning, sampling_sigmas)
    architecture.check_conditioning(name, conditioning)
    levels = inversion_levels(sampling_sigmas, architecture.first_sigma(dials.solver))
    count = len(levels) - 1

    dtype = FP8 if dials.feature_precision == "fp8" else model.model.get_dtype_inference()
    element_size = comfy.model_management.dtype_size(dtype)
    storage = choose_storage(
        dials.storage,
        dials.feature_precision,
        architecture.predicted_bytes(chosen, samples.shape, count, element_size, role),
        samples.numel() * count * 4,
        model.load_device,
        is_repeatable(conditioning),
    )
    logging.info(f"{name}: {count} steps, {count * (dials.refinement + 1)} network calls; {storage}")
    started = time.perf_counter()

    clean = model.model.process_latent_in(samples.to(torch.float32))
    bank = FeatureBank(
        architecture.fingerprint(),
        sampling_sigmas,
        chosen,
        clean.to("cpu"),
        role,
        conditioning=_on_cpu(conditioning),
        solver=dials.solver,
        spacing="" if given else dials.spacing,
    )
    if dials.residual_features.strip():
        bank.residual_blocks = architecture.select_residual_blocks(dials.residual_features)
    patched = with_capture(model, architecture, bank.residual_blocks)
    if storage.place == "device":
        announce(patched, storage.expected)

    guider = guider_for(name, patched, conditioning)
    estimate = RoundTripEstimate(architecture.path)
    sampler = comfy.samplers.KSAMPLER(
        functools.partial(_sample_inversion, bank=bank, writer=BankWriter(name, bank, storage, model.load_device)),
        extra_options={
            "refinement": dials.refinement,
            "solver": dials.solver,
            "path": architecture.path,
            "watch": estimate,
        },
    )
    with repeatable_random_numbers(model.load_device):
        inverted = guider.sample(
            torch.zeros_like(samples),
            samples,
            sampler,
            levels,
            callback=progress(count) if progress else None,
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=0,
        )
    check_inverted(name, inverted)
    _log_round_trip(name, estimate.result(clean, [float(level) for level in levels[1:]]))
    logging.info(f"{name}: done in {time.perf_counter() - started:.1f} s, {bank.nbytes() / 1e6:.0f} MB kept")
    inverted = inverted.to(comfy.model_management.intermediate_device())
    share = signal_share(architecture.model_sampling, float(sampling_sigmas[0]))
    inversion = Inversion(sampling_sigmas, bank.solver, bank.spacing, samples, inverted, share)
    return with_inversion(latent, inversion), bank


def _log_round_trip(name: str, trip: RoundTrip) -> None:
    """What sampling back would miss, and a warning where that is much or the steps do not settle."""
    logging.info(f"{name}: sampling back would give the latent to about {trip.decibels:.0f} dB (estimated)")
    if trip.decibels < _POOR or trip.contraction >= 1:
        logging.warning(
            f"{name}: the inversion does not settle; the last call of a step still moved the latent by up to "
            f"{100 * trip.residual:.0f} %, so the content will drift. Use 12 steps or more with solver multistep and "
            "refinement 1, and a model that is not distilled for few steps (turbo, lightning, schnell)."
        )


def _sample_inversion(model, x, sigmas, extra_args=None, callback=None, disable=None, *, bank, writer, **options):
    """The sampler function that ComfyUI calls: the equations, with a recorder handed to one call a level."""
    count = len(sigmas) - 1
    seen = {}  # on the device, so that no step waits for a copy

    def recording_args(step: int, sigma: float, x_in: torch.Tensor) -> dict:
        level = count - 1 - step
        seen[level] = x_in.detach().to(torch.float32, copy=True)
        model_options = model_options_with(extra_args["model_options"], recorder=writer.recorder(level))
        return {**extra_args, "model_options": model_options}

    x = sample_ddim_inversion(model, x, sigmas, extra_args, callback, disable, recording_args=recording_args, **options)
    writer.finish()
    bank.inputs = dict(zip(seen, torch.stack(list(seen.values())).cpu(), strict=True))
    return x


def _on_cpu(conditioning: list) -> list:
    """The same CONDITIONING with its own tensors on the CPU; what it refers to (ControlNets, hooks) stays as it is."""

    def moved(value):
        return value.detach().to("cpu") if torch.is_tensor(value) else value

    return [[moved(cross), {key: moved(value) for key, value in extra.items()}] for cross, extra in conditioning]
