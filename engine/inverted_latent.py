"""What an inverted LATENT carries: the clean latent it came from and how far it was inverted, under a key of its own.

Other nodes copy a LATENT's keys to whatever they make of its samples, so what is carried is looked at before use.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from ..equations.noise_levels import same_level
from ..features.feature_bank import FeatureBank
from .latents import with_samples

KEY = "cellstyle_inversion"
# an inverted latent has at least this share of its level's noise; a picture's latent is far below it
_LEAST_NOISE = 1 / 3


@dataclass(frozen=True, eq=False)
class Inversion:
    """How a LATENT was inverted.

    sigmas: the levels to sample, descending. solver: of the inversion. spacing: of the levels, "" for given SIGMAS.
    clean: (B, C, H, W), the latent before the inversion, in LATENT scale; None where that is not known.
    inverted: (B, C, H, W), the samples it became.
    signal: share of the clean latent in the inverted one: 1, or 1 - sigma for flow models.
    """

    sigmas: torch.Tensor
    solver: str
    spacing: str
    clean: torch.Tensor | None
    inverted: torch.Tensor
    signal: float = 1.0

    @property
    def start(self) -> float:
        """The noise level that the samples are at."""
        return float(self.sigmas[0])

    def __str__(self) -> str:
        """As an error says it: "11 steps from noise level 13.2 (linspace)"."""
        return described(self.sigmas, self.spacing)


def described(sigmas: Sequence[float] | torch.Tensor, spacing: str = "") -> str:
    """Sampling levels in words: their number, the first one, and how they are spaced."""
    steps = sum(float(sigma) > 0 for sigma in sigmas)
    return f"{steps} steps from noise level {float(sigmas[0]):.3g}" + (f" ({spacing})" if spacing else "")


def signal_share(model_sampling, sigma: float) -> float:
    """How much of the clean latent is in a noisy one at `sigma`, as the model's own sampling object mixes them."""
    one, none = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
    return float(model_sampling.noise_scaling(torch.tensor(sigma), none, one))


def with_inversion(latent: dict, inversion: Inversion) -> dict:
    """A LATENT of the inverted samples that carries how it came by them; `latent` has their other keys."""
    return {**with_samples(latent, inversion.inverted), KEY: inversion}


def without_inversion(latent: dict, samples: torch.Tensor) -> dict:
    """A LATENT of other samples, which are no inversion."""
    return {key: value for key, value in with_samples(latent, samples).items() if key != KEY}


def inversion_of(latent: dict) -> Inversion | None:
    """What a LATENT carries; None for one that no node of the pack has inverted."""
    found = latent.get(KEY) if isinstance(latent, dict) else None
    return found if isinstance(found, Inversion) else None


def clean_of(latent: dict, what: str) -> torch.Tensor:
    """The clean latent inside an inverted one, image by image as its samples are now.

    Images that another node has picked, repeated or put in another order are found again; a scaled latent gets its
    clean latent scaled.

    Args:
        what: the input's name, for the error.
    Returns:
        (B, C, ..., H, W), the shape of the LATENT's samples.
    Raises:
        ValueError: nothing is carried, or it is of other images, or of another part of the picture.
    """
    samples, inversion = latent["samples"], inversion_of(latent)
    if inversion is None or inversion.clean is None:
        raise ValueError(
            f"{what} does not carry the clean latent that noise-preserving AdaIN works on. Connect inverted of DDIM "
            "Invert, Style K/V Capture or Load Style (with its model connected), or set mode to global."
        )
    clean, before = inversion.clean.to(samples.device, samples.dtype), inversion.inverted
    if samples is before:
        return clean
    if samples.shape[1:] == before.shape[1:]:
        found = [_index_of(image, before.to(image)) for image in samples]
        if None not in found:
            return clean[found]
        if len(samples) == len(before):
            logging.warning(
                f"CellStyle: another node changed {what} after its inversion; its clean latent is taken as it was"
            )
            return clean
        raise ValueError(
            f"{what} holds {len(samples)} latents, and not all of them are of the one inversion whose clean latents it "
            f"carries ({len(before)}). Put the images into one batch before VAE Encode, or set mode to global."
        )
    if len(samples) == len(before) and _is_scaled(before.shape, samples.shape):
        logging.info(f"CellStyle: {what} was scaled after its inversion, and its clean latent with it")
        return _scaled(clean, samples.shape[-2:])
    raise ValueError(
        f"{what} has shape {tuple(samples.shape)}, but it was inverted as {tuple(before.shape)} and cut or turned "
        "since, so that its clean latent no longer fits. Do that to the image before VAE Encode, or set mode to global."
    )


def check_same_start(content: dict, style: dict) -> None:
    """Raises ValueError where two LATENTs were inverted to different noise levels, or one of them not at all.

    Of a latent that another pack made, nothing is known but its spread: a picture's is refused, others are said in the
    log. Two such latents are compared with nothing.
    """
    theirs, ours = inversion_of(content), inversion_of(style)
    if theirs is not None and ours is not None:
        if not same_level(theirs.start, ours.start):
            raise ValueError(
                f"content was inverted over {theirs}, style over {ours}: their noise does not match. Give DDIM Invert "
                "and Style K/V Capture the same steps and spacing (or the same sigmas)."
            )
        return
    known = theirs or ours
    if known is None:
        return
    unknown, what, node = (
        (content, "content", "DDIM Invert") if theirs is None else (style, "style", "Style K/V Capture")
    )
    spread, level = float(unknown["samples"].float().std()), float(known.inverted.float().std())
    if known.signal == 1 and known.start > 1 and spread < _LEAST_NOISE * level:
        raise ValueError(
            f"{what} looks like a picture's latent, straight from VAE Encode (spread {spread:.2g}; inverted ones have "
            f"about {level:.2g} here). Connect inverted of {node}; if that node is bypassed, bypass Latent AdaIN too."
        )
    logging.warning(f"LatentAdaIN: {what} was not inverted by this pack; it should be at noise level {known.start:.3g}")


def check_start(name: str, latent: dict, x: torch.Tensor, sigmas: torch.Tensor, clean: torch.Tensor | None) -> None:
    """Raises ValueError where a sampler would start at another noise level than its latent is at.

    Args:
        name: the sampler's, for the log. latent: LATENT. x: its samples in the model's own scale.
        sigmas: the levels to sample. clean: (B, C, H, W), the content before its inversion, where it is known.
    """
    start, inversion = float(sigmas[0]), inversion_of(latent)
    if inversion is not None:
        if not same_level(inversion.start, start):
            raise ValueError(
                f"the latent was inverted over {inversion}, but is sampled over {described(sigmas)}. Give DDIM Invert "
                "and Style K/V Capture the same steps and spacing, or connect sigmas of DDIM Invert."
            )
        return
    if clean is not None and x.shape == clean.shape and torch.allclose(x, clean.to(x), rtol=1e-3, atol=1e-3):
        raise ValueError(
            "the latent is the picture's own, straight from VAE Encode, where an inverted one belongs. Connect "
            "inverted of DDIM Invert, or the latent of Latent AdaIN."
        )
    logging.warning(f"{name}: the latent was not inverted by this pack; it should be at noise level {start:.3g}")


def check_levels(content: FeatureBank, style: FeatureBank) -> None:
    """Raises ValueError where two captures begin at different noise levels: the first steps would have no style.

    Captures of different numbers of steps fit each other: every step takes the nearest level.
    """
    if not same_level(float(content.sigmas[0]), float(style.sigmas[0])):
        raise ValueError(
            f"content_query was captured over {described(content.sigmas, content.spacing)}, style_kv over "
            f"{described(style.sigmas, style.spacing)}: they do not begin at the same noise. Give DDIM Invert and "
            "Style K/V Capture the same steps and spacing (or the same sigmas)."
        )


def restarted(latent: dict, samples: torch.Tensor, clean: torch.Tensor | None = None) -> dict:
    """A LATENT whose inverted samples were changed on purpose: they are at the level that they were at.

    clean: the clean latent inside them, where it is known.
    """
    inversion = inversion_of(latent)
    if inversion is None:
        return with_samples(latent, samples)
    return with_inversion(latent, replace(inversion, inverted=samples, clean=clean))


def _index_of(image: torch.Tensor, images: torch.Tensor) -> int | None:
    return next((i for i, other in enumerate(images) if torch.equal(image, other)), None)


def _is_scaled(before: torch.Size, now: torch.Size) -> bool:
    """Whether a latent's sides have kept their ratio, to one latent pixel."""
    (height, width), (new_height, new_width) = before[-2:], now[-2:]
    same_ratio = abs(new_height - height * new_width / width) <= 1 or abs(new_width - width * new_height / height) <= 1
    return before[1:-2] == now[1:-2] and same_ratio


def _scaled(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    flat = F.interpolate(x.flatten(0, -4).float(), size=size, mode="bilinear", antialias=True)
    return flat.reshape(*x.shape[:-2], *size).to(x.dtype)
