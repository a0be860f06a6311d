"""Shape of the demo model's UNet: Stable Diffusion 1.5's topology, narrow. Training and loading both read it here."""

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
