"""A whole in pieces with the style's colours held at every step: all pieces go down together, a step at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from ..attention_patch.architectures.choose import architecture_of
from ..equations.adain import adain
from ..equations.background_adain import background_adain
from ..features.wire_values import ContentQuery, StyleKV
from .dials import Dials, InversionDials
from .invert import invert_and_record
from .inverted_latent import inversion_of, signal_share, with_inversion
from .sample import sample_injected

HELD_PASSES = 2
"""Passes through the model that a piece takes, the second with its content's features computed beside it."""


def styled_together(
    name: str,
    model,
    conditioning: list,
    pieces: Sequence[torch.Tensor],
    backgrounds: Sequence[torch.Tensor | None],
    style_kv: StyleKV,
    start: Callable[[list[dict]], list[dict]],
    inversion: InversionDials,
    dials: Dials,
    together: Callable[[list[torch.Tensor]], torch.Tensor],
    progress: Callable[[int], Callable] | None = None,
) -> Iterator[torch.Tensor]:
    """`pieces.styled_pieces` with adain_rate of the settings, by the statistics of the whole.

    What the model predicts for every piece has to be known before any is moved towards the style, so all of them take a
    step before one takes the next. Their features wait as latents alone (storage recompute).

    Args:
        together: (B, C, h, w) of every piece as the one picture whose mean and spread count, (1, C, H, W).
        The others: see `styled_pieces`. start: may give pieces of batches.
    Raises: ValueError: see `styled_pieces`; residual features too, which would have to be kept for every piece.
    """
    fine = dials.fine
    if fine.feature_strength:
        raise ValueError(
            f"adain_rate is {fine.adain_rate:g} and feature_strength {fine.feature_strength:g}: together they would "
            "keep the residual features of every tile or frame. Set one of them to 0 in Cell Style Settings."
        )
    sampling = architecture_of(model).model_sampling
    first, last = float(sampling.percent_to_sigma(fine.adain_start)), float(sampling.percent_to_sigma(fine.adain_end))
    plain = replace(dials, settings=replace(fine, adain_rate=0.0))
    how = replace(inversion, storage="recompute")
    found = [invert_and_record(name, model, conditioning, {"samples": p}, how, "content", progress) for p in pieces]
    latents = start([latent for latent, _ in found])
    queries = [ContentQuery(bank, each) for (_, bank), each in zip(found, backgrounds, strict=True)]
    sigmas = found[0][1].sigmas
    style = style_kv.bank.clean
    flat = [fine.flat_background * each for each in backgrounds] if fine.flat_background else None
    for at in range(len(sigmas) - 1):
        stepped = [
            sample_injected(
                *(name, model, conditioning, latent, style_kv, query, plain, sigmas[at : at + 2]),
                progress=progress,
                say=False,
            )
            for latent, query in zip(latents, queries, strict=True)
        ]
        if fine.adain_start < fine.adain_end and last <= float(sigmas[at]) <= first:
            before = [latent["samples"] for latent in latents]
            levels = float(sigmas[at]), float(sigmas[at + 1])
            stepped = held(model, before, stepped, *levels, style, fine.adain_rate, together, flat)
        latents = [_at(latent, samples, sigmas[at + 1 :]) for latent, samples in zip(latents, stepped, strict=True)]
    yield from (latent["samples"] for latent in latents)


def held(
    model,
    before: Sequence[torch.Tensor],
    after: Sequence[torch.Tensor],
    now: float,
    then: float,
    style: torch.Tensor,
    rate: float,
    together: Callable[[list[torch.Tensor]], torch.Tensor],
    backgrounds: Sequence[torch.Tensor] | None = None,
) -> list[torch.Tensor]:
    """What Euler steps would have given, had each piece's prediction been moved towards the style's statistics.

    A step is x' = x + (x - D) / now * (then - now), so that D is known from x and x', and x' moves with it.

    Args:
        before, after: (B, C, h, w) of each piece in LATENT scale, at the levels `now` > `then`.
        style: (1, C, H, W), a clean latent in the model's own scale. rate, together: see `styled_together`.
        backgrounds: of each piece, see `background_adain`.
    """
    sampling = model.get_model_object("model_sampling")
    share, next_share, left = signal_share(sampling, now), signal_share(sampling, then), then / now
    into, out = model.model.process_latent_in, model.model.process_latent_out
    x = [share * into(samples.float()) for samples in before]
    y = [next_share * into(samples.float()) for samples in after]
    predicted = [(b - a * left) / (1 - left) for a, b in zip(x, y, strict=True)]
    whole, style = together(predicted), style.to(predicted[0])
    if backgrounds is None:
        styled = [adain(piece, style, whole) for piece in predicted]
    else:
        of_whole = together(backgrounds)
        pairs = zip(predicted, backgrounds, strict=True)
        styled = [background_adain(piece, style, background, whole, of_whole) for piece, background in pairs]
    moved = [rate * (each - piece) for each, piece in zip(styled, predicted, strict=True)]
    return [out((b + (1 - left) * more) / next_share).to(b) for b, more in zip(y, moved, strict=True)]


def _at(latent: dict, samples: torch.Tensor, sigmas: torch.Tensor) -> dict:
    """The LATENT one step further: its samples, and the levels that are left."""
    inversion = inversion_of(latent)
    return with_inversion(latent, replace(inversion, sigmas=sigmas, inverted=samples))
