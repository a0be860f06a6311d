"""Seeded random models in ComfyUI's own classes, small, in the shapes of SD 1.5, SD 2 (v-prediction) and SDXL."""

from __future__ import annotations

import comfy.latent_formats
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.supported_models
import torch

_COMMON = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "use_checkpoint": False,
    "legacy": False,
    "use_spatial_transformer": True,
    "use_temporal_attention": False,
    "model_channels": 32,
    "context_dim": 32,
    "num_res_blocks": [2, 2, 2, 2],
}
_SD15 = {
    **_COMMON,
    "adm_in_channels": None,
    "channel_mult": (1, 2, 4, 4),
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1] * 9 + [0] * 3,
    "transformer_depth_middle": 1,
    "num_heads": 4,
    "use_linear_in_transformer": False,
}
_SD20 = {**_SD15, "num_heads": -1, "num_head_channels": 32, "use_linear_in_transformer": True}
_SDXL = {
    **_COMMON,
    "num_res_blocks": [2, 2, 2],
    "channel_mult": (1, 2, 4),
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "transformer_depth_middle": 10,
    "num_classes": "sequential",
    "adm_in_channels": 2816,
    "num_heads": -1,
    "num_head_channels": 32,
    "use_linear_in_transformer": True,
}


def _class_of(kind: str):
    return {
        "sd15": (comfy.supported_models.SD15, _SD15),
        "sd2v": (comfy.supported_models.SD20, _SD20),
        "sdxl": (comfy.supported_models.SDXL, _SDXL),
    }[kind]


def randomise(module: torch.nn.Module, seed: int, gain: float = 1.0) -> None:
    """Seeded weights of a scale that keeps activations near 1; norms start as identities, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.ndim == 0:
                continue
            if p.ndim == 1:
                p.copy_((1.0 if name.endswith("weight") else 0.0) + 0.1 * noise)
            else:
                p.copy_(gain * noise / p[0].numel() ** 0.5)


def tiny_model(
    kind: str = "sd15", seed: int = 0, dtype: torch.dtype = torch.float32, output_gain: float = 0.3, **changes
):
    """A MODEL (ModelPatcher) with random weights. kind: "sd15", "sd2v" (v-prediction) or "sdxl".

    output_gain: size of what the network predicts; small, so that trajectories stay near 1.
    changes: to the UNet's configuration, such as the full width.
    """
    model_class, config = _class_of(kind)
    config = {**config, **changes}
    model_config = model_class(dict(config))
    model_config.unet_config.update(config)  # the class has head counts of its own, for the full width
    if kind == "sd2v":
        from comfy.model_base import ModelType

        model_config.model_type = lambda state_dict, prefix="": ModelType.V_PREDICTION
    model_config.unet_config["dtype"] = dtype
    model_config.set_inference_dtype(dtype, None)
    model = model_config.get_model({}, "")
    randomise(model.diffusion_model, seed)
    with torch.no_grad():
        model.diffusion_model.out[-1].weight.mul_(output_gain)
    model.diffusion_model.to(dtype)
    return comfy.model_patcher.ModelPatcher(
        model,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def tiny_conditioning(kind: str = "sd15", seed: int = 1, tokens: int = 5, width: int = 32) -> list:
    """A CONDITIONING of random tokens (and a pooled output for SDXL)."""
    generator = torch.Generator().manual_seed(seed)
    cross = torch.randn(1, tokens, width, generator=generator)
    extra = {"pooled_output": torch.randn(1, 1280, generator=generator)} if kind == "sdxl" else {}
    return [[cross, extra]]


def tiny_vae(seed: int = 2):
    """A VAE with random weights, in ComfyUI's TAESD architecture: a factor of 8, 4 channels."""
    from comfy.taesd.taesd import TAESD

    net = TAESD()
    randomise(net, seed)
    return comfy.sd.VAE(sd={name: value.clone() for name, value in net.state_dict().items()})


def tiny_dit():
    """A MODEL that the pack refuses: Wan's video transformer, tiny."""
    from .tiny_transformers import tiny_transformer

    return tiny_transformer("wan")
