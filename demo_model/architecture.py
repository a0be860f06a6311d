"""Shape of the demo model's UNet: Stable Diffusion 1.5's topology, narrow. Training and loading both read it here."""

from torch import nn

LATENT_CHANNELS = 16
CONTEXT_DIM = 32
CONTEXT_TOKENS = 4

UNET_CONFIG = {
    "image_size": 32,
    "in_channels": LATENT_CHANNELS,
    "out_channels": LATENT_CHANNELS,
    "model_channels": 32,
    "channel_mult": (1, 2, 4, 4),
    "num_res_blocks": [2, 2, 2, 2],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1] * 9 + [0] * 3,
    "transformer_depth_middle": 1,
    "context_dim": CONTEXT_DIM,
    "num_heads": -1,
    "num_head_channels": 32,
    "use_checkpoint": False,
    "legacy": False,
    "use_spatial_transformer": True,
    "use_temporal_attention": False,
    "use_linear_in_transformer": False,
    "adm_in_channels": None,
}

COMFYUI_NORM_GROUPS = 32
"""Groups of every GroupNorm as ComfyUI builds them, where a weights file says nothing else."""

NORM_GROUPS = 8
"""Groups that a new training takes. 32 on 32 channels is an instance norm: it removes the palette and the timestep from
every block on the finest grid. Stable Diffusion has 10 channels a group there, this has 4."""


def set_norm_groups(unet: nn.Module, groups: int) -> None:
    """Give every GroupNorm of the UNet so many groups; a ValueError where they do not divide its channels."""
    norms = [module for module in unet.modules() if isinstance(module, nn.GroupNorm)]
    for norm in norms:
        if groups < 1 or norm.num_channels % groups:
            raise ValueError(f"{groups} norm groups do not divide {norm.num_channels} channels of the UNet.")
    for norm in norms:
        norm.num_groups = groups
