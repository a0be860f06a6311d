"""A ControlNet and a LoRA for Stable Diffusion 1.5 with random weights, in the public files' formats and shapes."""

from __future__ import annotations

from pathlib import Path

import torch
from sd15_checkpoint import UNET, write_random

RANK = 4
TEXT_LAYERS, TEXT_WIDTH = 12, 768


def write_sd15_controlnet(path: Path) -> int:
    """Write a ControlNet of version 1.1's shape; returns its size in bytes."""
    import comfy.cldm.cldm
    import comfy.ops

    own = {key: value for key, value in UNET.items() if key not in ("out_channels", "transformer_depth_output")}
    with torch.device("meta"):
        net = comfy.cldm.cldm.ControlNet(
            **own, hint_channels=3, device="meta", operations=comfy.ops.disable_weight_init
        )
    return write_random(path, {f"control_model.{key}": value.shape for key, value in net.state_dict().items()}, seed=1)


def write_sd15_lora(path: Path) -> int:
    """Write a LoRA on the queries, keys and values of UNet and text encoder; returns its size in bytes."""
    import comfy.utils
    from sd15_checkpoint import shapes

    full = shapes()
    layers = {}
    for name, key in comfy.utils.unet_to_diffusers(UNET).items():
        if name.endswith((".to_q.weight", ".to_k.weight", ".to_v.weight")):
            layers["lora_unet_" + name.removesuffix(".weight").replace(".", "_")] = full["model.diffusion_model." + key]
    for number in range(TEXT_LAYERS):
        for part in ("q_proj", "k_proj", "v_proj"):
            name = f"lora_te_text_model_encoder_layers_{number}_self_attn_{part}"
            layers[name] = torch.Size([TEXT_WIDTH, TEXT_WIDTH])
    tensors = {}
    for name, (wide, narrow) in layers.items():
        tensors[f"{name}.lora_up.weight"] = torch.Size([wide, RANK])
        tensors[f"{name}.lora_down.weight"] = torch.Size([RANK, narrow])
    return write_random(path, tensors, seed=2)
