"""MODEL, CONDITIONING and VAE of the demo model, as ComfyUI's own objects."""

from __future__ import annotations

from pathlib import Path

import comfy.model_base
import comfy.model_management as management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import comfy.taesd.taesd
import comfy.utils

from . import weights
from .architecture import UNET_CONFIG, set_norm_groups
from .autoencoder import LATENT_CHANNELS, PatchAutoencoder, decoder_widths
from .latent_space import CellStyleDemoLatents


class _DemoConfig(comfy.supported_models.SD15):
    """Stable Diffusion 1.5's settings, where more than 4 channels are no inpainting; the file says what it predicts."""

    prediction = "eps"

    def inpaint_model(self) -> bool:
        return False

    def model_type(self, state_dict: dict, prefix: str = "") -> comfy.model_base.ModelType:
        types = comfy.model_base.ModelType
        return types.V_PREDICTION if self.prediction == "v" else types.EPS


def load_demo_model(path: Path = weights.WEIGHTS):
    """(ModelPatcher, conditioning, VAE). Devices and number types are chosen as for any other diffusion model."""
    tensors, notes = weights.read(path)
    network = weights.network(notes)
    try:
        model = _model(tensors, *network)
        vae = _vae(weights.part(tensors, weights.VAE_PREFIX))
        conditioning = [[tensors[weights.NULL_CONTEXT].float(), {}]]
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"{path} lacks a part of the demo model: {error}. {weights.RESTORE}") from error
    return model, conditioning, vae


def _model(tensors: dict, prediction: str, groups: int) -> comfy.model_patcher.ModelPatcher:
    state = weights.part(tensors, weights.UNET_PREFIX)
    config = _DemoConfig(dict(UNET_CONFIG))
    config.prediction = prediction
    config.unet_config.update(UNET_CONFIG)  # the class has head counts of its own, for the full width
    config.latent_format = CellStyleDemoLatents(
        *(tensors[name] for name in (weights.LATENT_MEAN, weights.LATENT_STD, weights.RGB_FACTORS, weights.RGB_BIAS))
    )
    device, types = management.get_torch_device(), config.supported_inference_dtypes
    dtype = management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(state),
        supported_dtypes=list(types),
        weight_dtype=comfy.utils.weight_dtype(state),
    )
    config.set_inference_dtype(dtype, management.unet_manual_cast(dtype, device, types))
    model = config.get_model(state, "")
    set_norm_groups(model.diffusion_model, groups)
    expected = set(model.diffusion_model.state_dict())
    if expected != set(state):
        raise KeyError(f"{len(expected ^ set(state))} tensors of the UNet are missing or too many")
    offload_device = management.unet_offload_device()
    model.load_model_weights(state, "")
    model.to(offload_device)
    return comfy.model_patcher.ModelPatcher(model, load_device=device, offload_device=offload_device)


def _vae(state: dict) -> comfy.sd.VAE:
    """ComfyUI's VAE around our autoencoder: a stock VAE of the same factor and channels, its network exchanged."""
    vae = comfy.sd.VAE(sd=comfy.taesd.taesd.TAESD(latent_channels=LATENT_CHANNELS).state_dict())
    network = PatchAutoencoder(LATENT_CHANNELS, decoder_widths(state)).eval()
    network.load_state_dict(state)
    network.to(vae.vae_dtype)
    archive = getattr(management, "archive_model_dtypes", None)
    if archive is not None:
        archive(network)
    vae.first_stage_model = network
    vae.patcher = comfy.model_patcher.ModelPatcher(
        network, load_device=vae.device, offload_device=management.vae_offload_device()
    )
    vae.size = management.module_size(network)
    return vae
