"""DDIM inversion in sigma space, with an optional second-order guess and fixed-point refinement."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tqdm.auto import trange

from .noise_path import NoisePath, variance_preserving
from .round_trip import RoundTripEstimate

VARIANCE_PRESERVING = variance_preserving()
SOLVERS = ("ddim", "multistep")


def predicted_noise(x: torch.Tensor, denoised: torch.Tensor, sigma: float) -> torch.Tensor:
    """eps_hat = (x - D) / sigma, all (B, C, H, W); as it uses D, it holds for eps- and v-prediction alike."""
    return (x - denoised) / sigma


def extrapolated_noise(
    before: list[tuple[float, torch.Tensor]], sigma: float, path: NoisePath = VARIANCE_PRESERVING
) -> torch.Tensor:
    """eps_hat at `sigma`, on the straight line through two evaluations over the path's clock.

    Args:
        before: (sigma, eps_hat (B, C, H, W)) of the one or two steps before, the last one last, at different sigmas.
    Returns:
        (B, C, H, W); a single eps_hat as it is.
    """
    if len(before) == 1:
        return before[0][1]

    (sigma_1, eps_1), (sigma_2, eps_2) = before
    reach = (path.clock(sigma) - path.clock(sigma_2)) / (path.clock(sigma_2) - path.clock(sigma_1))
    return eps_2 + reach * (eps_2 - eps_1)


def sample_ddim_inversion(
    model: Callable[..., torch.Tensor],
    x: torch.Tensor,
    sigmas: torch.Tensor,
    extra_args: dict | None = None,
    callback: Callable[[dict], None] | None = None,
    disable: bool | None = None,
    *,
    refinement: int = 0,
    solver: str = "ddim",
    path: NoisePath = VARIANCE_PRESERVING,
    recording_args: Callable[[int, float, torch.Tensor], dict] | None = None,
    watch: RoundTripEstimate | None = None,
) -> torch.Tensor:
    """DDIM run backwards (eta = 0): from a clean latent up to noise; a k-diffusion style sampler function.

    One step from sigma_a to sigma_b > sigma_a:

        x_in = x * sqrt((1 + sigma_b^2) / (1 + sigma_a^2))     (`path.ratio`; another norm for flow matching)
        eps  = (x_in - D(x_in, sigma_b)) / sigma_b
        x    = x + (sigma_b - sigma_a) * eps

    The exact inverse of the Euler step that sampling takes solves x_b = x + (sigma_b - sigma_a) eps(x_b, sigma_b).
    Each of `refinement` repeats evaluates eps again at the new x itself and comes closer to that fixed point (AIDI,
    Pan et al. 2023; ReNoise, Garibi et al. 2024). `solver` says what the network sees first:

        "ddim":       x_in as above, the paper's
        "multistep":  x_in = x + (sigma_b - sigma_a) * eps extrapolated from the two steps before, which is already
                      second order, at no further call. The first step is DDIM's; the second carries eps on. Climbed
                      from sigma 0, it inverts every step of the sampling, the last included.

    Args:
        model: denoiser D(x, sigma (B,), **extra_args) -> (B, C, H, W).
        x: (B, C, H, W) clean latent in the model's own scale.
        sigmas: (n + 1,) ascending; sigmas[0] is the level that x is taken to be at.
        refinement: repeats a step; each costs n more network calls in all.
        solver: one of SOLVERS. path: how the model's latents lie between picture and noise.
        recording_args: called as (step index, sigma_b, x_in) before the last network call of each step; returns
            the extra_args of that call. It lets a capture see exactly one call a level.
        watch: told of every evaluation.
    Returns:
        (B, C, H, W), x at sigmas[-1].
    Raises:
        ValueError: unknown solver.
    Source: Song et al. 2021 (DDIM), section 4.3; StyleID (Chung et al. 2024), section 4.1. "multistep" is the usual
        predictor of an implicit multistep method with one evaluation (Hairer, Norsett and Wanner, Solving Ordinary
        Differential Equations I, section III.1, "PEC").
    """
    if solver not in SOLVERS:
        raise ValueError(f"solver {solver!r} is unknown; choose one of {', '.join(SOLVERS)}.")
    extra_args = {} if extra_args is None else extra_args
    s_in = x.new_ones([x.shape[0]])
    levels = [float(s) for s in sigmas]
    # the clean latent, given the norm of a latent at the first level
    x = x * path.ratio(0.0, levels[0])
    before: list[tuple[float, torch.Tensor]] = []
    for i in trange(len(levels) - 1, disable=disable):
        sigma_a, sigma_b = levels[i], levels[i + 1]
        if before:
            x_in = x + (sigma_b - sigma_a) * extrapolated_noise(before, sigma_b, path)
        else:
            x_in = x * path.ratio(sigma_a, sigma_b)
        for repeat in range(refinement + 1):
            args = extra_args
            if recording_args is not None and repeat == refinement:
                args = recording_args(i, sigma_b, x_in)
            denoised = model(x_in, sigma_b * s_in, **args)
            eps = predicted_noise(x_in, denoised, sigma_b)
            x_b = x + (sigma_b - sigma_a) * eps
            if watch is not None:
                watch.evaluated(repeat, sigma_b - sigma_a, x_in, x_b, eps)
            x_in = x_b
        x = x_b
        if solver == "multistep":
            before = [*before[-1:], (sigma_b, eps)]
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigmas[i + 1], "sigma_hat": sigmas[i + 1], "denoised": denoised})
    return x
