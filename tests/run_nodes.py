"""The four nodes as a graph would wire them, for tests that need no server."""

from __future__ import annotations

import torch
from cellstyle.nodes.ddim_invert import DDIMInvert
from cellstyle.nodes.injected_sampler import InjectedSampler
from cellstyle.nodes.latent_adain import LatentAdaIN
from cellstyle.nodes.style_kv_capture import StyleKVCapture

DIALS = {
    "gamma": 0.75,
    "tau": 1.5,
    "gamma_curve": "constant",
    "gamma_end": 0.75,
    "layers": "auto",
    "start_percent": 0.0,
    "end_percent": 1.0,
}


def latent(*shape: int, seed: int = 0) -> dict:
    """A LATENT with the smoothness of a picture's: random, blurred, unit spread."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    x = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
    return {"samples": 5.5 * x / x.std()}  # SD's latents have this spread before the model's scale


def invert(
    model, conditioning, content: dict, steps=4, refinement=0, layers="auto", storage="auto", sigmas=None, **more
):
    """(inverted LATENT, CONTENT_QUERY, SIGMAS)"""
    return DDIMInvert.execute(
        model=model,
        conditioning=conditioning,
        latent=content,
        steps=steps,
        refinement=refinement,
        layers=layers,
        storage=storage,
        sigmas=sigmas,
        **more,
    ).result


def capture(
    model, conditioning, style: dict, steps=4, refinement=0, layers="auto", storage="auto", sigmas=None, **more
):
    """(STYLE_KV, inverted LATENT)"""
    return StyleKVCapture.execute(
        model=model,
        conditioning=conditioning,
        latent=style,
        steps=steps,
        refinement=refinement,
        layers=layers,
        storage=storage,
        sigmas=sigmas,
        **more,
    ).result


def adain(content: dict, style: dict, strength=1.0, mode="global", patch_size=16) -> dict:
    return LatentAdaIN.execute(content, style, strength, mode, patch_size).result[0]


def sample(model, conditioning, start: dict, style_kv=None, content_query=None, **dials) -> torch.Tensor:
    """Samples of the stylised LATENT."""
    return InjectedSampler.execute(
        model=model,
        conditioning=conditioning,
        latent=start,
        style_kv=style_kv,
        content_query=content_query,
        **{**DIALS, **dials},
    ).result[0]["samples"]


def transfer(model, conditioning, content: dict, style: dict, steps=4, use_adain=True, layers="auto", **dials):
    """The paper's whole graph; returns the samples."""
    inverted, query, _ = invert(model, conditioning, content, steps, layers=layers)
    style_kv, style_inverted = capture(model, conditioning, style, steps, layers=layers)
    start = adain(inverted, style_inverted) if use_adain else inverted
    return sample(model, conditioning, start, style_kv, query, **dials)


def relative_error(a: torch.Tensor, b: torch.Tensor) -> float:
    """Relative L2 of a against b."""
    return float((a - b).double().norm() / b.double().norm())
