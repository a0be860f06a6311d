"""Seeded random transformers in ComfyUI's own classes, small: all families that the pack works with, some it refuses.

Real classes, random weights: the tests show that hooks and equations fit, not what a picture looks like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import comfy.model_patcher
import comfy.supported_models
import torch

TEXT = 32
"""Width of a text token."""

_FLUX = dict(
    image_model="flux",
    in_channels=16,
    out_channels=16,
    vec_in_dim=16,
    context_in_dim=TEXT,
    hidden_size=64,
    mlp_ratio=2.0,
    num_heads=4,
    depth=2,
    depth_single_blocks=2,
    axes_dim=[4, 6, 6],
    theta=10000,
    patch_size=2,
    qkv_bias=True,
    guidance_embed=True,
    txt_ids_dims=[],
)
_CHROMA = {
    **{key: value for key, value in _FLUX.items() if key != "guidance_embed"},
    **dict(
        image_model="chroma",
        in_channels=64,
        out_channels=64,
        vec_in_dim=None,
        in_dim=64,
        out_dim=64,
        hidden_dim=32,
        n_layers=1,
    ),
}
_SD3 = dict(
    in_channels=16,
    pos_embed_scaling_factor=None,
    depth=3,
    patch_size=2,
    adm_in_channels=16,
    num_patches=32 * 32,
    pos_embed_max_size=32,
    context_embedder_config={"target": "torch.nn.Linear", "params": {"in_features": TEXT, "out_features": 192}},
    qk_norm=None,
    x_block_self_attn_layers=[],
    input_size=None,
)
_LUMINA = dict(
    image_model="lumina2",
    patch_size=2,
    in_channels=16,
    dim=64,
    cap_feat_dim=TEXT,
    n_layers=3,
    n_refiner_layers=1,
    qk_norm=True,
    n_heads=4,
    n_kv_heads=2,
    axes_dims=[4, 6, 6],
    axes_lens=[300, 512, 512],
    rope_theta=10000.0,
    multiple_of=32,
    ffn_dim_multiplier=2.0,
)
_COSMOS = dict(
    max_img_h=240,
    max_img_w=240,
    max_frames=128,
    in_channels=16,
    out_channels=16,
    patch_spatial=2,
    patch_temporal=1,
    model_channels=64,
    concat_padding_mask=True,
    crossattn_emb_channels=TEXT,
    pos_emb_cls="rope3d",
    pos_emb_learnable=True,
    pos_emb_interpolation="crop",
    min_fps=1,
    max_fps=30,
    use_adaln_lora=True,
    adaln_lora_dim=8,
    num_blocks=3,
    num_heads=2,
    extra_per_block_abs_pos_emb=False,
    rope_h_extrapolation_ratio=4.0,
    rope_w_extrapolation_ratio=4.0,
    rope_t_extrapolation_ratio=1.0,
    rope_enable_fps_modulation=False,
)
_QWEN = dict(
    image_model="qwen_image",
    in_channels=64,
    out_channels=16,
    num_layers=3,
    attention_head_dim=16,
    num_attention_heads=4,
    joint_attention_dim=TEXT,
    axes_dims_rope=(4, 6, 6),
)


@dataclass(frozen=True)
class Kind:
    """One family. channels, pitch: of the latent, and its pixels along a token's side; frames: the latent is 5-D.

    text: width of a conditioning's tokens. pooled: width of its pooled output. extra: more of it, as a function.
    layers: the text that names all layers, as `layers` of the nodes takes it.
    """

    config_class: str
    config: dict
    layers: str
    channels: int = 16
    pitch: int = 2
    frames: bool = False
    text: int = TEXT
    pooled: int | None = None
    extra: dict = field(default_factory=dict)
    llama: bool = False


_BLOCKS = "double.0-1, single.0-1"
KINDS = {
    "flux": Kind("Flux", _FLUX, _BLOCKS, pooled=16, extra={"guidance": 1.0}),
    "schnell": Kind("FluxSchnell", {**_FLUX, "guidance_embed": False}, _BLOCKS, pooled=16),
    "flux2": Kind(
        "Flux2",
        {
            **_FLUX,
            **dict(
                image_model="flux2",
                in_channels=128,
                out_channels=128,
                vec_in_dim=None,
                axes_dim=[4, 4, 4, 4],
                theta=2000,
                patch_size=1,
                global_modulation=True,
                mlp_silu_act=True,
                qkv_bias=False,
                ops_bias=False,
                default_ref_method="index",
                ref_index_scale=10.0,
                txt_ids_dims=[3],
                guidance_embed=False,
            ),
        },
        _BLOCKS,
        channels=128,
        pitch=1,
        pooled=16,  # older ComfyUIs ask for one
    ),
    "longcat": Kind(
        "LongCatImage", {**_FLUX, "vec_in_dim": None, "guidance_embed": False, "txt_ids_dims": [1, 2]}, _BLOCKS
    ),
    "chroma": Kind("Chroma", _CHROMA, _BLOCKS, pooled=16),
    "sd3": Kind("SD3", _SD3, "joint.0-2", pooled=16),
    "sd35m": Kind("SD3", {**_SD3, "qk_norm": "rms", "x_block_self_attn_layers": [0, 1]}, "joint.0-2", pooled=16),
    "qwen": Kind("QwenImage", _QWEN, "double.0-2", frames=True),
    "lumina2": Kind("Lumina2", _LUMINA, "double.0-2"),
    "zimage": Kind(
        "ZImage",
        {
            **_LUMINA,
            **dict(
                dim=256,
                n_heads=8,
                n_kv_heads=8,
                axes_dims=[8, 12, 12],
                axes_lens=[1536, 512, 512],
                rope_theta=256.0,
                z_image_modulation=True,
                time_scale=1000.0,
                pad_tokens_multiple=32,
            ),
        },
        "double.0-2",
    ),
    "krea2": Kind(
        "Krea2",
        dict(
            image_model="krea2",
            features=64,
            channels=16,
            patch=2,
            layers=3,
            heads=4,
            kvheads=2,
            txtlayers=3,
            txtdim=TEXT,
            txtheads=2,
            txtkvheads=2,
            multiplier=2,
        ),
        "single.0-2",
        frames=True,
        text=3 * TEXT,
    ),
    "anima": Kind("Anima", {**_COSMOS, "image_model": "anima"}, "block.0-2", frames=True),
    "mageflow": Kind(
        "MageFlow",
        dict(
            image_model="mage_flow",
            in_channels=128,
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=4,
            joint_attention_dim=TEXT,
            axes_dims_rope=(4, 6, 6),
        ),
        "double.0-1",
        channels=128,
        pitch=1,
    ),
    "hunyuan": Kind(
        "HunyuanImage21",
        dict(
            image_model="hunyuan_video",
            in_channels=64,
            patch_size=[1, 1],
            out_channels=64,
            vec_in_dim=None,
            axes_dim=[8, 8],
            meanflow=False,
            context_in_dim=TEXT,
            hidden_size=64,
            mlp_ratio=2.0,
            num_heads=4,
            depth=2,
            depth_single_blocks=2,
            theta=256,
            qkv_bias=True,
            byt5=False,
            guidance_embed=False,
            use_cond_type_embedding=False,
            vision_in_dim=None,
            meanflow_sum=False,
        ),
        _BLOCKS,
        channels=64,
        pitch=1,
    ),
    "hidream": Kind(
        "HiDream",
        dict(
            image_model="hidream",
            attention_head_dim=16,
            axes_dims_rope=[8, 4, 4],
            caption_channels=[TEXT, TEXT],
            max_resolution=[16, 16],
            in_channels=16,
            llama_layers=[0, 1, 2, 3],
            num_attention_heads=4,
            num_routed_experts=2,
            num_activated_experts=1,
            num_layers=2,
            num_single_layers=2,
            out_channels=16,
            patch_size=2,
            text_emb_dim=16,
        ),
        _BLOCKS,
        pooled=16,
        llama=True,
    ),
    "aura": Kind(
        "AuraFlow",
        dict(
            in_channels=4,
            out_channels=4,
            patch_size=2,
            dim=256,
            n_layers=3,
            n_heads=1,
            cond_seq_dim=TEXT,
            max_seq=256,
            n_double_layers=1,
        ),
        "double.0, single.0-1",
        channels=4,
    ),
}
"""What the pack works with."""

REFUSED = {
    "cosmos": Kind("CosmosT2IPredict2", {**_COSMOS, "image_model": "cosmos_predict2"}, "", frames=True),
    "ernie": Kind(
        "ErnieImage",
        dict(
            image_model="ernie",
            hidden_size=128,
            num_attention_heads=1,
            num_layers=2,
            ffn_hidden_size=64,
            text_in_dim=TEXT,
            in_channels=128,
            out_channels=128,
            patch_size=1,
        ),
        "",
        channels=128,
        pitch=1,
    ),
    "wan": Kind(
        "WAN21_T2V",
        dict(
            image_model="wan2.1",
            model_type="t2v",
            dim=64,
            out_dim=16,
            num_heads=2,
            ffn_dim=64,
            num_layers=3,
            patch_size=(1, 2, 2),
            freq_dim=32,
            window_size=(-1, -1),
            qk_norm=True,
            cross_attn_norm=True,
            eps=1e-6,
            in_dim=16,
            text_dim=TEXT,
        ),
        "",
        frames=True,
    ),
    "meanflow": Kind(
        "HunyuanImage21",
        {**KINDS["hunyuan"].config, "meanflow": True, "guidance_embed": True},
        "",
        channels=64,
        pitch=1,
    ),
}
"""What it refuses in words."""


def available(kind: str) -> bool:
    """Whether this ComfyUI has the class."""
    return hasattr(comfy.supported_models, {**KINDS, **REFUSED}[kind].config_class)


def tiny_transformer(kind: str, seed: int = 0, dtype: torch.dtype = torch.float32, **changes):
    """A MODEL (ModelPatcher) with random weights. changes: to the network's configuration."""
    spec = {**KINDS, **REFUSED}[kind]
    config = getattr(comfy.supported_models, spec.config_class)({**spec.config, **changes})
    config.unet_config["dtype"] = dtype
    config.set_inference_dtype(dtype, None)
    model = config.get_model({}, "", device=torch.device("cpu"))
    _randomise(model.diffusion_model, seed)
    model.diffusion_model.to(dtype).eval()
    return comfy.model_patcher.ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))


def _randomise(module: torch.nn.Module, seed: int) -> None:
    """Weights that keep activations near 1, and keep the prediction small enough for an inversion to be smooth."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            if name.startswith("llm_adapter."):  # Anima's, of a fixed size, and not asked here
                p.zero_()
                continue
            noise = torch.randn(p.shape, generator=generator)
            if p.ndim <= 1:
                identity = not name.endswith("bias") and any(part in name for part in ("norm", ".scale", "ln_"))
                p.copy_((1.0 if identity else 0.0) + 0.1 * noise)
            else:
                p.copy_(noise / math.sqrt(p[0].numel()))
        for name, buffer in module.named_buffers():
            if name.endswith("pos_embed"):
                buffer.copy_(0.5 * torch.randn(buffer.shape, generator=generator))


def tiny_text(kind: str, seed: int = 1, tokens: int = 12, **extra) -> list:
    """A CONDITIONING of random tokens with what else the family wants. extra: more entries."""
    spec = {**KINDS, **REFUSED}[kind]
    generator = torch.Generator().manual_seed(seed)
    more = {**spec.extra, **extra}
    cross = torch.randn(1, tokens, spec.text, generator=generator)
    if spec.pooled:
        more["pooled_output"] = torch.randn(1, spec.pooled, generator=generator)
    if spec.llama:
        more["conditioning_llama3"] = torch.randn(1, 4, tokens, spec.text, generator=generator)
    return [[cross, more]]


def tiny_latent(kind: str, seed: int = 0, grid: tuple[int, int] = (6, 8), batch: int = 1) -> dict:
    """A LATENT of smooth random channels. grid: tokens high and wide."""
    spec = {**KINDS, **REFUSED}[kind]
    height, width = (side * spec.pitch for side in grid)
    x = torch.randn(batch, spec.channels, height, width, generator=torch.Generator().manual_seed(seed))
    x = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    x = x / x.std()
    return {"samples": x[:, :, None] if spec.frames else x}
