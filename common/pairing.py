"""How batches of different counts go together: one serves all, or there are as many of each."""

from __future__ import annotations


def one_or_all(given: int, wanted: int) -> bool:
    """Whether a batch of `given` serves one of `wanted`: it is one, or as many."""
    return given in (1, wanted)


def paired_count(n: int, m: int, first: str, second: str) -> int:
    """How many pairs n and m make: n x n, n x 1 or 1 x n. first, second: what they are, for the message.

    Raises: ValueError for any other two counts; it names both.
    """
    if n != m and 1 not in (n, m):
        raise ValueError(f"{n} {first} and {m} {second} cannot be paired; use equal counts, or one of either.")
    return max(n, m)


def check_images(what: str, images: int, latents: int) -> None:
    """Raises ValueError where `images` of a bank (what: "style" or "content") do not serve the sampled `latents`."""
    if not one_or_all(images, latents):
        raise ValueError(
            f"{latents} latents are sampled with {images} {what} images; use one {what} image, or as many as latents."
        )
