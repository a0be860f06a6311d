"""Which family a MODEL belongs to: the one place that knows them all."""

from __future__ import annotations

from .anima import Anima
from .architecture import Architecture
from .aura_flow import AuraFlow
from .flux import Chroma, Flux
from .hidream import HiDream
from .hunyuan_image import HunyuanImage
from .krea2 import Krea2
from .next_dit import NextDiT
from .qwen_image import MageFlow, QwenImage
from .refused import REASONS
from .sd3 import SD3
from .unet import UNet

FAMILIES: tuple[type[Architecture], ...] = (
    UNet,
    Flux,
    Chroma,
    NextDiT,
    QwenImage,
    SD3,
    Krea2,
    Anima,
    MageFlow,
    HunyuanImage,
    HiDream,
    AuraFlow,
)
WORKS_WITH = (
    "SD 1.x, SD 2.x and SDXL, and with these transformers: Flux.1, Flux.2, Klein, Chroma, Z-Image, Lumina 2, "
    "Qwen-Image, SD 3, SD 3.5, Krea 2, Anima, MageFlow, HunyuanImage 2.1, HiDream I1, AuraFlow"
)


def architecture_of(model) -> Architecture:
    """The MODEL as a member of its family.

    Raises: ValueError that names the model's class, and every reason why it is not supported.
    """
    network = model.get_model_object("diffusion_model")
    for family in FAMILIES:
        if family.claims(network):
            found = family(model)
            if reasons := found.not_supported_reasons():
                raise ValueError(" ".join(reasons))
            return found
    name = type(network).__name__
    why = REASONS.get(name, "it has no UNet decoder to inject into and is no transformer that CellStyle knows")
    raise ValueError(f"the model is a {name}; {why}. CellStyle works with {WORKS_WITH}.")
