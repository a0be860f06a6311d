"""ComfyUI's own nodes, those that a workflow uses; the browser test finds out when they change."""

from __future__ import annotations

from node_type import AUTOGROW, WIDTH, Input, NodeType

IMAGE_OUT, LATENT_OUT, MASK_OUT = (("IMAGE", "IMAGE"),), (("LATENT", "LATENT"),), (("MASK", "MASK"),)
CORE = {
    "CheckpointLoaderSimple": NodeType(
        (Input("ckpt_name", "COMBO"),), (("MODEL", "MODEL"), ("CLIP", "CLIP"), ("VAE", "VAE")), size=(WIDTH, 98)
    ),
    "UNETLoader": NodeType(
        (Input("unet_name", "COMBO"), Input("weight_dtype", "COMBO", "default")), (("MODEL", "MODEL"),)
    ),
    "CLIPLoader": NodeType(
        (Input("clip_name", "COMBO"), Input("type", "COMBO"), Input("device", "COMBO", "default", optional=True)),
        (("CLIP", "CLIP"),),
    ),
    "VAELoader": NodeType((Input("vae_name", "COMBO"),), (("VAE", "VAE"),)),
    "CLIPTextEncode": NodeType(
        (Input("text", "STRING", ""), Input("clip", "CLIP")), (("CONDITIONING", "CONDITIONING"),), size=(WIDTH, 110)
    ),
    "LoadImage": NodeType((Input("image", "COMBO"),), (*IMAGE_OUT, ("MASK", "MASK")), size=(WIDTH, 340), upload=True),
    "ImageScale": NodeType(
        (
            Input("image", "IMAGE"),
            Input("upscale_method", "COMBO", "lanczos"),
            Input("width", "INT", 512),
            Input("height", "INT", 512),
            Input("crop", "COMBO", "disabled"),
        ),
        IMAGE_OUT,
    ),
    "LoraLoader": NodeType(
        (
            Input("model", "MODEL"),
            Input("clip", "CLIP"),
            Input("lora_name", "COMBO"),
            Input("strength_model", "FLOAT", 1.0),
            Input("strength_clip", "FLOAT", 1.0),
        ),
        (("MODEL", "MODEL"), ("CLIP", "CLIP")),
    ),
    "ControlNetLoader": NodeType((Input("control_net_name", "COMBO"),), (("CONTROL_NET", "CONTROL_NET"),)),
    "ControlNetApplyAdvanced": NodeType(
        (
            Input("positive", "CONDITIONING"),
            Input("negative", "CONDITIONING"),
            Input("control_net", "CONTROL_NET"),
            Input("image", "IMAGE"),
            Input("strength", "FLOAT", 1.0),
            Input("start_percent", "FLOAT", 0.0),
            Input("end_percent", "FLOAT", 1.0),
            Input("vae", "VAE", optional=True),
        ),
        (("positive", "CONDITIONING"), ("negative", "CONDITIONING")),
    ),
    "Canny": NodeType(
        (Input("image", "IMAGE"), Input("low_threshold", "FLOAT", 0.4), Input("high_threshold", "FLOAT", 0.8)),
        IMAGE_OUT,
    ),
    "BatchImagesNode": NodeType((Input("images", AUTOGROW),), IMAGE_OUT),
    "VAEEncode": NodeType((Input("pixels", "IMAGE"), Input("vae", "VAE")), LATENT_OUT),
    "VAEDecode": NodeType((Input("samples", "LATENT"), Input("vae", "VAE")), IMAGE_OUT),
    "SaveImage": NodeType(
        (Input("images", "IMAGE"), Input("filename_prefix", "STRING", "ComfyUI")),
        (("images", "IMAGE"),),
        size=(360, 400),
    ),
    "PreviewImage": NodeType((Input("images", "IMAGE"),), (("images", "IMAGE"),), size=(360, 280)),
    "CreateVideo": NodeType(
        (
            Input("images", "IMAGE"),
            Input("fps", "FLOAT", 30.0),
            Input("audio", "AUDIO", optional=True),
            Input("bit_depth", "INT", 8, optional=True),
        ),
        (("VIDEO", "VIDEO"),),
    ),
    "SaveVideo": NodeType(
        (
            Input("video", "VIDEO"),
            Input("filename_prefix", "STRING", "video/ComfyUI"),
            Input("format", "COMBO", "auto"),
            Input("codec", "COMFY_DYNAMICCOMBO_V3", "auto"),
        ),
        (("video", "VIDEO"),),
        size=(360, 460),
        opens=106,  # its codec's inputs come and go, and the height with them
    ),
    "SolidMask": NodeType(
        (Input("value", "FLOAT", 1.0), Input("width", "INT", 512), Input("height", "INT", 512)), MASK_OUT
    ),
    "MaskComposite": NodeType(
        (
            Input("destination", "MASK"),
            Input("source", "MASK"),
            Input("x", "INT", 0),
            Input("y", "INT", 0),
            Input("operation", "COMBO", "add"),
        ),
        MASK_OUT,
    ),
    "LatentCompositeMasked": NodeType(
        (
            Input("destination", "LATENT"),
            Input("source", "LATENT"),
            Input("x", "INT", 0),
            Input("y", "INT", 0),
            Input("resize_source", "BOOLEAN", False),
            Input("mask", "MASK", optional=True),
        ),
        LATENT_OUT,
    ),
    "InvertMask": NodeType((Input("mask", "MASK"),), MASK_OUT),
    "DisableNoise": NodeType((), (("NOISE", "NOISE"),)),
    "BasicGuider": NodeType((Input("model", "MODEL"), Input("conditioning", "CONDITIONING")), (("GUIDER", "GUIDER"),)),
    "KSamplerSelect": NodeType((Input("sampler_name", "COMBO", "euler"),), (("SAMPLER", "SAMPLER"),)),
    "SamplerCustomAdvanced": NodeType(
        (
            Input("noise", "NOISE"),
            Input("guider", "GUIDER"),
            Input("sampler", "SAMPLER"),
            Input("sigmas", "SIGMAS"),
            Input("latent_image", "LATENT"),
        ),
        (("output", "LATENT"), ("denoised_output", "LATENT")),
        preview=True,
    ),
    "UpscaleModelLoader": NodeType((Input("model_name", "COMBO"),), (("UPSCALE_MODEL", "UPSCALE_MODEL"),)),
    "ImageUpscaleWithModel": NodeType((Input("upscale_model", "UPSCALE_MODEL"), Input("image", "IMAGE")), IMAGE_OUT),
    "KSampler": NodeType(
        (
            Input("model", "MODEL"),
            Input("positive", "CONDITIONING"),
            Input("negative", "CONDITIONING"),
            Input("latent_image", "LATENT"),
            Input("seed", "INT", 0, control="fixed"),
            Input("steps", "INT", 20),
            Input("cfg", "FLOAT", 8.0),
            Input("sampler_name", "COMBO", "euler"),
            Input("scheduler", "COMBO", "normal"),
            Input("denoise", "FLOAT", 1.0),
        ),
        LATENT_OUT,
        preview=True,
    ),
    "MarkdownNote": NodeType(
        (Input("text", "STRING", ""),), size=(WIDTH, 250), colours={"color": "#222", "bgcolor": "#000"}
    ),
}
