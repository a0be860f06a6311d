"""The demo model's two networks, initialised for training: the autoencoder at a PCA, the UNet with silent branches."""

from __future__ import annotations

import sys

import torch
from torch import nn
from train_paths import ROOT, use_comfyui

sys.path.append(str(ROOT))  # behind ComfyUI, whose nodes.py has the name of a folder here

from demo_model.architecture import NORM_GROUPS, UNET_CONFIG, set_norm_groups
from demo_model.autoencoder import FACTOR, LATENT_CHANNELS, PATCH, PatchAutoencoder, decoder_widths

# PyTorch's default leaves attention logits with a spread of 1/3, a nearly uniform average that learns slowly; now 1.
ATTENTION_START = 3**0.5


@torch.no_grad()
def build_autoencoder(pictures: torch.Tensor | None = None) -> PatchAutoencoder:
    """The autoencoder for training: exactly the PCA of the 8x8 patches of pictures (N, 3, H, W) in -1..1; learns on."""
    net = PatchAutoencoder()
    for last in (net.encoder[-1], net.decoder[-2], net.smooth[-1]):
        _zero(last)
    for module in net.modules():
        if hasattr(module, "second"):
            module.second.weight.mul_(0.3)
    if pictures is not None:
        rows = torch.nn.functional.pixel_unshuffle(pictures, FACTOR).movedim(1, -1).reshape(-1, PATCH)
        mean = rows.mean(dim=0)
        variance, axes = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
        axes, spread = axes[:, -LATENT_CHANNELS:], variance[-LATENT_CHANNELS:].sqrt()
        net.to_latent.weight.copy_((axes / spread).T[:, :, None, None])
        net.to_latent.bias.copy_(-(axes / spread).T @ mean)
        net.to_patch.weight.copy_((axes * spread)[:, :, None, None])
        net.to_patch.bias.copy_(mean)
    return net


@torch.no_grad()
def widened(net: PatchAutoencoder, widths: tuple[int, int]) -> PatchAutoencoder:
    """The same function with a decoder of other (fine, coarse) widths, none of them less than before.

    What is new begins at random and is read by nothing that was there: its weights into the old channels are 0.
    """
    before = decoder_widths(net.state_dict())
    if widths[0] < before[0] or widths[1] < before[1]:
        raise ValueError(f"The decoder is {before} wide and cannot become {widths}: give widths that are not less.")
    wide = PatchAutoencoder(decoder_widths=widths)
    for name, new in wide.state_dict().items():
        old = net.state_dict()[name]
        if new.shape != old.shape and new.ndim > 1:
            new[: old.shape[0]] = 0
        new[tuple(slice(size) for size in old.shape)] = old
    return wide


@torch.no_grad()
def build_unet(groups: int = NORM_GROUPS) -> nn.Module:
    """ComfyUI's UNetModel in the demo model's shape (demo_model.architecture), initialised for training, float32."""
    use_comfyui()
    import comfy.ops
    from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock, UNetModel

    unet = UNetModel(**UNET_CONFIG, dtype=torch.float32, operations=comfy.ops.manual_cast)
    for module in unet.modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.GroupNorm | nn.LayerNorm):
            module.comfy_cast_weights = False
            module.__class__.__mro__[2].reset_parameters(module)
        if isinstance(module, nn.GroupNorm):  # attention leaves transposed pictures, on which it is slow on a CPU
            module.register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(),))
    set_norm_groups(unet, groups)
    for module in unet.modules():
        if isinstance(module, ResBlock):
            _zero(module.out_layers[-1])
        elif type(module).__name__ == "SpatialTransformer":
            _zero(module.proj_out)
            for block in module.transformer_blocks:
                for layer in (block.attn1.to_q, block.attn1.to_k):
                    layer.weight.mul_(ATTENTION_START)
    _zero(unet.out[-1])
    return unet


def _zero(layer: nn.Module) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
