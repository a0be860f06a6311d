"""Pictures that a conditioning brings along as further tokens."""

from __future__ import annotations

from collections.abc import Mapping

REFUSAL = (
    "the conditioning has reference latents (Flux Kontext, Qwen-Image-Edit and other edit models), whose tokens stand "
    "beside the picture's own. Style injection does not work with them: remove ReferenceLatent, or the edit model's "
    "text encoder node with pictures, and use a plain CLIP Text Encode."
)
_NAMES = ("ref_latents", "ref_latent", "ref_contexts", "siglip_feats", "image_cond")


def check_no_references(conds: Mapping) -> None:
    """Raises ValueError where what a network call is given holds reference latents."""
    if any(conds.get(name) is not None and len(conds[name]) for name in _NAMES):
        raise ValueError(REFUSAL)


def check_conditioning(conditioning: list) -> None:
    """The same for a CONDITIONING, before anything runs."""
    if any(extra.get("reference_latents") or extra.get("ref_latent") is not None for _, extra in conditioning):
        raise ValueError(REFUSAL)
