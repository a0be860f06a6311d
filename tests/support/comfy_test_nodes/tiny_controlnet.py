"""A seeded random ControlNet in ComfyUI's own classes, for the tiny SD 1.5 model."""

from __future__ import annotations

import comfy.cldm.cldm
import comfy.controlnet
import comfy.model_management

from .tiny_models import randomise

_CONFIG = {
    "image_size": 32,
    "in_channels": 4,
    "hint_channels": 3,
    "model_channels": 32,
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": (1, 2, 4, 4),
    "num_heads": 4,
    "use_spatial_transformer": True,
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "context_dim": 32,
    "legacy": False,
}


def tiny_controlnet(seed: int = 11):
    """A CONTROL_NET whose output is as large as the hidden states that it is added to."""
    net = comfy.cldm.cldm.ControlNet(**_CONFIG)
    randomise(net, seed)
    return comfy.controlnet.ControlNet(net, load_device=comfy.model_management.get_torch_device())
