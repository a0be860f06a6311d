"""Style injection in an attention over text and image tokens together, on q, k and v as they enter the attention.

Here queries and keys are normed, so that tau cannot be taken before the projections as in a UNet. Only the image's
tokens are touched; the text keeps its own q, k and v.

    q = tau * (gamma * q_content + (1 - gamma) * q),   k = k_style,   v = v_style        (image tokens)

Source: StyleID (Chung et al. 2024, arXiv 2312.09008), sections 4.1 and 4.2, in the form for joint attention.
"""

from __future__ import annotations

import torch


def tokens_of(x: torch.Tensor, dim: int, image: slice) -> torch.Tensor:
    """The image's tokens of x, a view. x: q, k or v of any shape with the tokens along `dim`; image: where they lie."""
    return x.narrow(dim, image.start, image.stop - image.start)


def with_tokens(x: torch.Tensor, dim: int, image: slice, new: torch.Tensor) -> torch.Tensor:
    """x with its image tokens replaced by `new`, which has x's shape but for their number."""
    if image.start == 0 and image.stop == x.shape[dim]:
        return new.to(x)
    after = x.shape[dim] - image.stop
    return torch.cat([x.narrow(dim, 0, image.start), new.to(x), x.narrow(dim, image.stop, after)], dim)


def blend_queries(
    q: torch.Tensor, q_content: torch.Tensor | None, gamma: float | torch.Tensor, tau: float
) -> torch.Tensor:
    """The image's queries: gamma of the content's, times tau. All of one shape; gamma of all, or (B, 1, N, 1)."""
    if q_content is None or (not torch.is_tensor(gamma) and gamma == 0):
        return q * tau if tau != 1 else q
    blended = torch.lerp(q, q_content.to(q), gamma)
    return blended.mul_(tau) if tau != 1 else blended


def match_statistics(
    x: torch.Tensor, mean: torch.Tensor, std: torch.Tensor, strength: float, dim: int = -2
) -> torch.Tensor:
    """x moved towards the mean and spread over the tokens that the style has, channel by channel.

    Args:
        x: queries or keys, tokens along `dim`. mean, std: as x, with one token.
        strength: 0 leaves x alone, 1 is the full AdaIN.
    Source: AdaIN of queries and keys as in StyleAligned (Hertz et al. 2024, section 4) and AlignedGen (2025).
    """
    own_std, own_mean = torch.std_mean(x.float(), dim, keepdim=True, correction=0)
    styled = (x.float() - own_mean) / (own_std + 1e-6) * std.float() + mean.float()
    return torch.lerp(x, styled.to(x.dtype), strength)


def fit_mask(mask: torch.Tensor | None, keys: int, image: slice, new_tokens: int) -> torch.Tensor | None:
    """An attention mask for another number of image keys: what it says of text keys stays, what it says of image keys
    (see `weighs_image`) does not. The mask itself where there is nothing to fit.

    Args:
        mask: (..., keys) or (..., 1), boolean (True is seen) or added to the logits; None for none.
        keys: how many the attention has. image: which of them are the image's. new_tokens: image keys from now on.
    Raises:
        ValueError: the mask is of another number of keys.
    """
    if mask is None or mask.shape[-1] == 1 or new_tokens == image.stop - image.start:
        return mask
    if mask.shape[-1] != keys:
        raise ValueError(
            f"an attention mask of {mask.shape[-1]} keys came with {keys} keys, so it cannot be fitted to the style, "
            "which has another size. Give the style the content's size."
        )
    new = mask.new_full((*mask.shape[:-1], new_tokens), mask.dtype == torch.bool)
    return torch.cat([mask[..., : image.start], new, mask[..., image.stop :]], -1)


def weighs_image(mask: torch.Tensor, image: slice) -> torch.Tensor:
    """() boolean, on the mask's device: whether it hides or weighs an image key, as `fit_mask` drops it."""
    of_image = mask[..., image]
    return ~of_image.all() if mask.dtype == torch.bool else of_image.any()


def bias_keys(mask: torch.Tensor | None, keys: torch.Tensor, at: slice, bias: float) -> torch.Tensor | None:
    """A mask that also adds `bias` to the logits of the keys in `at`.

    Args:
        mask: as in `fit_mask`. keys: (B, H, N, D).
    Returns:
        `mask` itself where `bias` is 0, else one of the keys' type, (..., N), that is added to the logits.
    """
    if bias == 0:
        return mask
    batch, _, count, _ = keys.shape
    if mask is None:
        mask = keys.new_zeros(batch, 1, count)
    elif mask.dtype == torch.bool:
        hidden = torch.finfo(keys.dtype).min
        mask = keys.new_zeros(mask.shape).masked_fill(~mask, hidden)
    mask = mask.expand(*mask.shape[:-1], count).clone()
    mask[..., at] += bias
    return mask
