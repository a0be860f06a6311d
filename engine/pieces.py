"""A picture or a scene in pieces: each inverted and sampled alone, all with one style and one AdaIN."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from ..equations.flat_background import background_of, flat_background
from ..features.wire_values import ContentQuery, StyleKV
from .dials import Dials, InversionDials
from .held_palette import HELD_PASSES, styled_together
from .invert import invert_and_record
from .sample import sample_injected

PLACED = {
    "area": "areas",
    "mask": "masks",
    "control": "a ControlNet",
    "gligen": "boxes",
    "concat_latent_image": "an image",
}
"""What lies somewhere on the whole picture, by its key in a CONDITIONING."""


def check_placeless(name: str, conditioning: list, pieces: int) -> None:
    """Raises ValueError where a CONDITIONING has something with a place on the whole picture, and there are tiles."""
    for _, extra in conditioning if pieces > 1 else ():
        for key, what in PLACED.items():
            if extra.get(key) is not None:
                raise ValueError(
                    f"the conditioning of {name} has {what} for the whole picture, and a tile would take it for its "
                    "own. Connect a conditioning without it, or use Cell Style Transfer."
                )


def passes_of(pieces: int, held: bool = False) -> int:
    """Passes through the model that `styled_pieces` takes; held: `styled_together`."""
    return HELD_PASSES * pieces if held else 2 if pieces == 1 else 3 * pieces


def styled(
    name: str,
    model,
    conditioning: list,
    pieces: Sequence[torch.Tensor],
    *how,
    held: bool,
    together: Callable,
    progress: Callable[[int], Callable] | None = None,
) -> list[torch.Tensor]:
    """The sampled latents of a whole's pieces: `styled_together` where colours are held, else `styled_pieces`.

    how: what else both take, from style_kv to dials. together: see `styled_together`.
    """
    dials: Dials = how[-1]
    backgrounds = [None] * len(pieces)
    if dials.fine.flat_background:
        cleans = [model.model.process_latent_in(piece.float()) for piece in pieces]
        whole = background_of(together(cleans))
        backgrounds = [flat_background(clean, whole) for clean in cleans]
    how = (name, model, conditioning, pieces, backgrounds, *how)
    return list(styled_together(*how, together, progress) if held else styled_pieces(*how, progress))


def styled_pieces(
    name: str,
    model,
    conditioning: list,
    pieces: Sequence[torch.Tensor],
    backgrounds: Sequence[torch.Tensor | None],
    style_kv: StyleKV,
    start: Callable[[list[dict]], list[dict]],
    inversion: InversionDials,
    dials: Dials,
    progress: Callable[[int], Callable] | None = None,
) -> Iterator[torch.Tensor]:
    """The sampled latents of pieces, one after the other, with the features of one at a time in memory.

    A statistic of the whole has to be known before the first piece is sampled, so each is inverted twice: once for its
    noise, and again, recording, just before it is sampled. One piece alone is inverted once.

    Args:
        name: the node's name, for the log.
        pieces: (B, C, h, w) each, in LATENT scale. backgrounds: of each, see `ContentQuery`.
        style_kv: one style, or one an image of a piece.
        start: gets every piece's inverted LATENT, and gives what each is sampled from.
        inversion: as `style_kv` was captured.
        progress: see `sample_injected`; called for every pass, of which there are `passes_of(len(pieces))`.
    Raises: ValueError: see `invert_and_record` and `sample_injected`.
    """
    alone = len(pieces) == 1

    def invert(piece: torch.Tensor, how: InversionDials):
        return invert_and_record(name, model, conditioning, {"samples": piece}, how, "content", progress)

    inverted, bank = [], None
    for piece in pieces:
        # recompute keeps next to nothing of what is inverted again
        x, bank = invert(piece, inversion if alone else replace(inversion, storage="recompute", residual_features=""))
        inverted.append(x)
    for piece, background, x in zip(pieces, backgrounds, start(inverted), strict=True):
        if not alone:
            bank = None  # before the next one's features come
            _, bank = invert(piece, inversion)
        query = ContentQuery(bank, background)
        yield sample_injected(name, model, conditioning, x, style_kv, query, dials, progress=progress)
