"""The noise levels that inversion climbs and sampling descends."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

SPACINGS = ("leading", "linspace")
_PAPER_STEPS = 50


def ddim_sigmas(model_sigmas: torch.Tensor, steps: int, spacing: str = "leading") -> torch.Tensor:
    """Sampling sigmas, evenly spaced over the timesteps.

    "leading" is DDIM's: level i is the model's sigma at timestep 1 + i * (T // steps), i = 0 .. steps - 1, the same as
    ComfyUI's `ddim_uniform` where `steps` divides T. Where it does not, `ddim_uniform` returns a level too many; here
    there are always exactly `steps`, as in the authors' port.

    "linspace" spreads the steps from timestep 1 to the highest of the paper's 50 steps (981 of 1000). Both are the same
    at 50 steps; with fewer, "leading" starts lower, and less of the picture is drawn anew.

    Args:
        model_sigmas: (T,) ascending sigmas of the model's training schedule.
        steps: number of network calls, 1 .. T - 1.
        spacing: one of SPACINGS.
    Returns:
        (steps + 1,) float32, strictly descending, ending with 0.
    Raises:
        ValueError: `steps` outside 1 .. T - 1, for "linspace" outside 1 .. the highest timestep; unknown spacing.
    Source: Song et al. 2021 (DDIM), section 4.2 and appendix D.2; the names are those of Lin et al. 2024 ("Common
        Diffusion Noise Schedules and Sample Steps are Flawed"), table 2.
    """
    if spacing not in SPACINGS:
        raise ValueError(f"spacing {spacing!r} is unknown; choose one of {', '.join(SPACINGS)}.")
    total = len(model_sigmas)
    last = min(total - 1, 1 + (_PAPER_STEPS - 1) * total // _PAPER_STEPS)
    most = total - 1 if spacing == "leading" else last
    if not 1 <= steps <= most:
        raise ValueError(f"steps is {steps}; this model's schedule allows 1 to {most}. Typical: 20 to 50.")
    stride = total // steps if spacing == "leading" else (last - 1) / max(1, steps - 1)
    ascending = [float(model_sigmas[1 + round(i * stride)]) for i in range(steps)]
    return torch.tensor([*reversed(ascending), 0.0], dtype=torch.float32)


def check_sampling_sigmas(sigmas: torch.Tensor) -> torch.Tensor:
    """A SIGMAS tensor that an inversion can climb: 1-D, at least two levels, finite, not negative, descending.

    Levels that follow each other unchanged, as LaplaceScheduler gives them, count once: a step from a level to
    itself changes nothing.

    Returns: (n,) float32 on the CPU, strictly descending.
    Raises: ValueError that says what was given.
    """
    if not torch.is_tensor(sigmas) or sigmas.ndim != 1:
        shape = tuple(sigmas.shape) if torch.is_tensor(sigmas) else type(sigmas).__name__
        raise ValueError(f"sigmas must be a list of noise levels (1-D); got {shape}.")
    sigmas = sigmas.detach().to("cpu", torch.float32)
    if not bool(torch.isfinite(sigmas).all()) or bool((sigmas < 0).any()):
        raise ValueError("sigmas must be finite and not negative; connect a scheduler's SIGMAS, unedited.")
    sigmas = torch.unique_consecutive(sigmas)
    if len(sigmas) < 2:
        raise ValueError(
            f"sigmas needs at least two different levels (one step); got {len(sigmas)}. Set steps to 1 or more."
        )
    if not bool((sigmas[:-1] > sigmas[1:]).all()):
        raise ValueError(
            "sigmas must fall from the noisiest level to the last one, as every scheduler node gives them; do not "
            "connect FlipSigmas: the inversion climbs the levels by itself."
        )
    return sigmas


def inversion_levels(sampling_sigmas: torch.Tensor, first_sigma: float) -> torch.Tensor:
    """The levels that the inversion climbs: the sampling levels reversed, started at `first_sigma`.

    Args:
        sampling_sigmas: (n + 1,) descending.
        first_sigma: the level a clean latent is taken to be at: `model_sampling.sigmas[0]` in the paper's inversion;
            0 makes the first step the inverse of the sampling's last.
    Returns:
        ascending float32 levels; the first is where the latent is, every other is the sigma of one network call.
    """
    called = [float(s) for s in reversed(sampling_sigmas) if float(s) > 0]
    return torch.tensor([min(first_sigma, called[0]), *called], dtype=torch.float32)


def same_level(sigma: float, other: float, slack: float = 0.05) -> bool:
    """Whether two noise levels differ by less than `slack` (relative): too little to be seen in a picture."""
    return abs(sigma - other) <= slack * max(sigma, other)


def nearest_level(sigma: float, levels: Sequence[float], slack: float = 2e-3) -> int | None:
    """Index of the recorded level nearest to `sigma` in log sigma, or None outside the recorded range.

    Args:
        sigma: requested noise level, > 0.
        levels: recorded levels, any order, all > 0.
        slack: how far (relative) outside the range still counts as its edge, for rounding.
    """
    if not levels or not sigma > 0:
        return None
    if sigma > max(levels) * (1 + slack) or sigma < min(levels) * (1 - slack):
        return None
    log_sigma = math.log(sigma)
    return min(range(len(levels)), key=lambda i: abs(math.log(levels[i]) - log_sigma))
