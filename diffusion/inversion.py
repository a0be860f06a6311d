"""DDIM inversion in sigma space, with optional fixed-point refinement."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tqdm.auto import trange


def variance_preserving_ratio(sigma_from: float, sigma_to: float, sigma_data: float = 1.0) -> float:
    """Factor that gives a latent at `sigma_from` the norm it would have at `sigma_to` when its variance-preserving
    twin x / sqrt(sigma^2 + sigma_data^2) stays as it is: the network sees the current latent at the next level."""
    return ((sigma_data**2 + sigma_to**2) / (sigma_data**2 + sigma_from**2)) ** 0.5


def predicted_noise(x: torch.Tensor, denoised: torch.Tensor, sigma: float) -> torch.Tensor:
    """eps_hat = (x - D) / sigma; right for eps- and v-prediction alike, since it works on the denoised prediction D."""
    return (x - denoised) / sigma


def sample_ddim_inversion(
    model: Callable[..., torch.Tensor],
    x: torch.Tensor,
    sigmas: torch.Tensor,
    extra_args: dict | None = None,
    callback: Callable[[dict], None] | None = None,
    disable: bool | None = None,
    *,
    refinement: int = 0,
    sigma_data: float = 1.0,
    recording_args: Callable[[int, float, torch.Tensor], dict] | None = None,
) -> torch.Tensor:
    """DDIM run backwards (eta = 0): from a clean latent up to noise; a k-diffusion style sampler function.

    One step from sigma_a to sigma_b > sigma_a:

        x_in = x * sqrt((1 + sigma_b^2) / (1 + sigma_a^2))
        eps  = (x_in - D(x_in, sigma_b)) / sigma_b
        x    = x + (sigma_b - sigma_a) * eps

    Each of `refinement` repeats evaluates eps again at the new x itself: the fixed point is the exact inverse of the
    Euler step that sampling takes (AIDI, Pan et al. 2023; ReNoise, Garibi et al. 2024).

    Args:
        model: denoiser D(x, sigma (B,), **extra_args) -> (B, C, H, W).
        x: (B, C, H, W) clean latent in the model's own scale.
        sigmas: (n + 1,) ascending; sigmas[0] is the level that x is taken to be at.
        refinement: repeats a step; each costs n more network calls in all.
        recording_args: called as (step index, sigma_b, x_in) before the last network call of each step; returns
            the extra_args of that call. It lets a capture see exactly one call a level.
    Returns:
        (B, C, H, W), x at sigmas[-1].
    Source: Song et al. 2021 (DDIM), section 4.3; StyleID (Chung et al. 2024), section 4.1.
    """
    extra_args = {} if extra_args is None else extra_args
    s_in = x.new_ones([x.shape[0]])
    levels = [float(s) for s in sigmas]
    # the clean latent, given the norm of a latent at the first level
    x = x * variance_preserving_ratio(0.0, levels[0], sigma_data)
    for i in trange(len(levels) - 1, disable=disable):
        sigma_a, sigma_b = levels[i], levels[i + 1]
        x_in = x * variance_preserving_ratio(sigma_a, sigma_b, sigma_data)
        for repeat in range(refinement + 1):
            args = extra_args
            if recording_args is not None and repeat == refinement:
                args = recording_args(i, sigma_b, x_in)
            denoised = model(x_in, sigma_b * s_in, **args)
            x_b = x + (sigma_b - sigma_a) * predicted_noise(x_in, denoised, sigma_b)
            x_in = x_b
        x = x_b
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigmas[i + 1], "sigma_hat": sigmas[i + 1], "denoised": denoised})
    return x
