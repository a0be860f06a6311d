"""Whether a sampler starts where an inversion ended."""

from __future__ import annotations

import torch

from ..equations.noise_path import NoisePath

# the share of the latent that must be left at the first level; ours starts with .001
_LEAST_SIGNAL = 5e-4


def check_signal_left(path: NoisePath, sigmas: torch.Tensor, latent: torch.Tensor, keeps_content: bool) -> None:
    """Raises ValueError where a sampler multiplies an inverted latent by nothing, so that the content is lost.

    A flow-matching model's schedule starts at level 1, pure noise, where ComfyUI takes (1 - 1) of the latent.

    Args:
        sigmas: of the sampler. latent: what it starts from. keeps_content: whether the content's queries are kept; an
            empty latent without them is a picture made from noise, in the style.
    """
    if not len(sigmas) or path.signal(float(sigmas[0])) >= _LEAST_SIGNAL:
        return
    if keeps_content or bool(latent.any()):
        raise ValueError(
            "this sampler starts at noise level 1, where nothing of the inverted latent is left, so the content would "
            "be lost. KSampler and KSampler (Advanced) do this with a flow-matching model. Use Injected Sampler, or "
            "SamplerCustom with add_noise off and the sigmas of DDIM Invert."
        )
