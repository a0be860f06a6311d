"""One inversion pass that records features: what DDIMInvert and StyleKVCapture share."""

from __future__ import annotations

import functools
import logging
import time

import comfy.model_management
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock

from ..attention_patch.capture import CAPTURE, LevelRecorder, capture_patch, capture_residual
from ..attention_patch.feature_bank import FeatureBank, predicted_bytes
from ..attention_patch.unet_layers import select_blocks, select_layers
from ..diffusion.inversion import sample_ddim_inversion
from ..diffusion.levels import check_sampling_sigmas, ddim_sigmas, inversion_levels
from .checks import check_latent, check_model, check_not_blank, family_of

STORAGE_MODES = ("auto", "device", "ram")
# how much of the free device memory "auto" fills with features; the rest is the network's
_DEVICE_SHARE = 0.25


def invert_and_record(
    name: str,
    model,
    conditioning,
    latent: dict,
    steps: int,
    refinement: int,
    layers: str,
    storage: str,
    sigmas=None,
    residual_features: str = "",
) -> tuple[torch.Tensor, FeatureBank]:
    """Inverts a LATENT with a clone of MODEL and records the hidden states of the chosen layers in the same pass.

    Args:
        name: the node's name, for the log.
        steps: network calls without refinement; ignored where `sigmas` (a scheduler's SIGMAS) is given.
        refinement: fixed-point repeats a step, each `steps` more calls.
        layers: see `select_layers`. storage: one of STORAGE_MODES.
        residual_features: decoder blocks whose residual output is recorded too, see `select_blocks`; "" for none.
    Returns:
        the inverted samples (B, C, H, W) in LATENT scale, and the bank.
    Raises:
        ValueError: see `checks` and `select_layers`.
    """
    available = check_model(model)
    samples = check_latent(latent, model, f"{name}'s latent")
    check_not_blank(samples, f"{name}'s latent")
    chosen = select_layers(layers, available)
    model_sampling = model.get_model_object("model_sampling")
    sampling_sigmas = ddim_sigmas(model_sampling.sigmas, steps) if sigmas is None else check_sampling_sigmas(sigmas)
    levels = inversion_levels(sampling_sigmas, float(model_sampling.sigmas[0]))
    count = len(levels) - 1

    element_size = comfy.model_management.dtype_size(model.model.get_dtype_inference())
    expected = predicted_bytes(available, chosen, samples.shape, count, element_size)
    device = _storage_device(storage, expected, model.load_device)
    logging.info(
        f"{name}: {count} steps, {count * (refinement + 1)} network calls; about {expected / 1e6:.0f} MB of features "
        f"on {device.type}"
    )
    started = time.perf_counter()

    clean = model.model.process_latent_in(samples.to(torch.float32))
    bank = FeatureBank(family_of(model, available), sampling_sigmas, chosen, clean.to("cpu"))
    bank.conditioning = _on_cpu(conditioning)
    patched = model.clone()
    patched.set_model_attn1_patch(capture_patch)
    if residual_features.strip():
        bank.residual_blocks = select_blocks(residual_features, model.get_model_object("diffusion_model"))
        patched.set_model_forward_timestep_embed_patch((ResBlock, capture_residual))

    guider = comfy.samplers.CFGGuider(patched)
    guider.inner_set_conds({"positive": conditioning})
    sampler = comfy.samplers.KSAMPLER(
        functools.partial(_sample_inversion, bank=bank, device=device, count=count),
        extra_options={"refinement": refinement, "sigma_data": float(model_sampling.sigma_data)},
    )
    inverted = guider.sample(
        torch.zeros_like(samples),
        samples,
        sampler,
        levels,
        callback=latent_preview.prepare_callback(patched, count),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=0,
    )
    _check_recorded(name, bank, count)
    logging.info(f"{name}: done in {time.perf_counter() - started:.1f} s, {bank.nbytes() / 1e6:.0f} MB of features")
    return inverted.to(comfy.model_management.intermediate_device()), bank


def _sample_inversion(
    model, x, sigmas, extra_args=None, callback=None, disable=None, *, bank, device, count, **options
):
    """The sampler function that ComfyUI calls: the equations, with a recorder handed to one call a level."""

    def recording_args(step: int, sigma: float, x_in: torch.Tensor) -> dict:
        level = count - 1 - step
        bank.inputs[level] = x_in.detach().to("cpu", torch.float32, copy=True)
        recorder = LevelRecorder(bank, level, device)
        model_options = extra_args["model_options"]
        transformer_options = {**model_options.get("transformer_options", {}), CAPTURE: recorder}
        return {**extra_args, "model_options": {**model_options, "transformer_options": transformer_options}}

    return sample_ddim_inversion(
        model, x, sigmas, extra_args, callback, disable, recording_args=recording_args, **options
    )


def _on_cpu(conditioning: list) -> list:
    """The same CONDITIONING with its own tensors on the CPU; what it refers to (ControlNets, hooks) stays as it is."""

    def moved(value):
        return value.detach().to("cpu") if torch.is_tensor(value) else value

    return [[moved(cross), {key: moved(value) for key, value in extra.items()}] for cross, extra in conditioning]


def _storage_device(storage: str, expected: int, load_device: torch.device) -> torch.device:
    cpu = torch.device("cpu")
    if storage == "ram" or load_device.type == "cpu":
        return cpu
    if storage == "device":
        return load_device
    free = comfy.model_management.get_free_memory(load_device)
    return load_device if expected < _DEVICE_SHARE * free else cpu


def _check_recorded(name: str, bank: FeatureBank, count: int) -> None:
    missing = [layer for level in range(count) for layer in bank.layers if layer not in bank.features.get(level, {})]
    if missing:
        layer = missing[0]
        raise ValueError(
            f"{name} could not read layer {layer.block}.{layer.number}: another node replaced that block of the model. "
            "Connect the model as it comes from the loader."
        )
    if bank.residual_blocks and len(bank.residuals) < count:
        raise ValueError(
            f"{name}: this version of ComfyUI does not let a node read residual blocks (0.30 does), or another node "
            "does so before this one. Leave residual_features empty, or update ComfyUI."
        )
