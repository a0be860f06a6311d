"""Small files in place of the downloads of the transformer workflows, for ComfyUI's own loaders to read.

Keys and shapes are those from which ComfyUI tells the real models. What it takes from shapes is small.
"""

from __future__ import annotations

from pathlib import Path

import torch
from comfy_test_nodes.tiny_models import randomise
from safetensors.torch import save_file
from sd15_checkpoint import VAE, write_random

CLIP_WIDTH = 768


def write_flux2(path: Path) -> None:
    """A Flux.2 of one head, one double and two single blocks, that reads CLIP's width."""
    from comfy_test_nodes.tiny_transformers import tiny_transformer

    network = tiny_transformer(
        "flux2",
        hidden_size=128,
        num_heads=1,
        axes_dim=[32, 32, 32, 32],
        mlp_ratio=3.0,
        depth=1,
        depth_single_blocks=2,
        context_in_dim=CLIP_WIDTH,
    ).model.diffusion_model
    _save(path, network)


def write_clip(path: Path) -> None:
    """A text encoder of CLIP-L's shape: the smallest that ComfyUI knows."""
    import comfy.sd1_clip

    with torch.device("meta"):
        found = comfy.sd1_clip.SDClipModel(device="meta").state_dict()
    shapes = {name.removeprefix("transformer."): value.shape for name, value in found.items() if "logit" not in name}
    write_random(path, shapes)


def write_flux2_vae(path: Path) -> None:
    """An autoencoder of the shape that Flux.2's has: 32 channels, four places of which make one of 128."""
    from comfy.ldm.models.autoencoder import AutoencoderKL

    network = AutoencoderKL(ddconfig={**VAE, "z_channels": 32, "batch_norm_latent": True}, embed_dim=32)
    randomise(network, 2)
    _save(path, network)


def write_zimage(path: Path) -> None:
    """A Z-Image of one block and its four refiners, that reads CLIP's width. ComfyUI knows it by its 3840 channels, so
    that it is large: refiners and feed-forward layers are zeros."""
    import comfy.ldm.lumina.model
    import comfy.ops

    config = dict(
        patch_size=2,
        in_channels=16,
        dim=3840,
        cap_feat_dim=CLIP_WIDTH,
        n_layers=1,
        qk_norm=True,
        n_heads=30,
        n_kv_heads=30,
        axes_dims=[32, 48, 48],
        axes_lens=[1536, 512, 512],
        rope_theta=256.0,
        ffn_dim_multiplier=8 / 3,
        z_image_modulation=True,
        time_scale=1000.0,
        pad_tokens_multiple=32,
    )
    shapes = _shapes(comfy.ldm.lumina.model.NextDiT, **config, operations=comfy.ops.disable_weight_init)
    write_random(path, shapes, dtype=torch.bfloat16, hollow=lambda key: "refiner" in key or "feed_forward" in key)


def write_zimage_vae(path: Path) -> None:
    """An autoencoder of the shape that Flux.1's has: 16 channels, nothing between encoder and decoder."""
    from comfy.ldm.models.autoencoder import AutoencodingEngine

    shape, part = {**VAE, "z_channels": 16}, "comfy.ldm.modules.diffusionmodules.model."
    shapes = _shapes(
        AutoencodingEngine,
        regularizer_config={"target": "comfy.ldm.models.autoencoder.DiagonalGaussianRegularizer"},
        encoder_config={"target": f"{part}Encoder", "params": shape},
        decoder_config={"target": f"{part}Decoder", "params": shape},
    )
    write_random(path, shapes)


def write_qwen_image(path: Path) -> None:
    """A Qwen-Image of one block, which has a fixed width: feed-forward layers and the text's modulation are zeros."""
    import comfy.ldm.qwen_image.model
    import comfy.ops

    network = comfy.ldm.qwen_image.model.QwenImageTransformer2DModel
    shapes = _shapes(network, num_layers=1, operations=comfy.ops.disable_weight_init)
    write_random(path, shapes, dtype=torch.float8_e4m3fn, hollow=lambda key: "_mlp." in key or "txt_mod." in key)


def write_qwen_image_vae(path: Path) -> None:
    """An autoencoder of the kind that Wan 2.1 and Qwen-Image have, with a third of their channels."""
    from comfy.ldm.wan.vae import WanVAE

    shape = {"dim": 32, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": []}
    shapes = _shapes(WanVAE, **shape, temperal_downsample=[False, True, True], dropout=0.0)
    write_random(path, shapes)


def _shapes(network: type[torch.nn.Module], **config) -> dict[str, torch.Size]:
    """{key: shape} of a network, which is built without memory."""
    with torch.device("meta"):
        return {key: value.shape for key, value in network(**config).state_dict().items()}


def _save(path: Path, network: torch.nn.Module) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, path)
