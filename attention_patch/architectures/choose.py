"""Which family a MODEL belongs to: the one place that knows them all."""

from __future__ import annotations

from .architecture import Architecture
from .unet import UNet

FAMILIES: tuple[type[Architecture], ...] = (UNet,)


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
    raise ValueError(
        f"the model is a {type(network).__name__}, which has no UNet decoder to inject into. CellStyle works with SD "
        "1.x, SD 2.x and SDXL checkpoints (UNet with self-attention)."
    )
