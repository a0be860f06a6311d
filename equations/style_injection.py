"""The paper's attention style injection, before the projections."""

from __future__ import annotations

import torch


def inject_style(
    n: torch.Tensor, n_style: torch.Tensor, n_content: torch.Tensor | None, gamma: float | torch.Tensor, tau: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(n, context, value) from which to_q, to_k, to_v make the injected attention.

        q = gamma * q_content + (1 - gamma) * q,   k = k_style,   v = v_style,   logits = tau * q k^T / sqrt(d)

    to_q, to_k and to_v have no bias and read the same hidden state n, so the same attention comes from

        n := tau * (gamma * n_content + (1 - gamma) * n),   context := value := n_style

    Args:
        n: (B, N, C) hidden state of the sampled image. n_style: (B, M, C), any number of tokens.
        n_content: (B, N, C), or None where gamma is 0.
        gamma: query preservation, 0 .. 1, of all tokens or (B, N, 1).
        tau: attention temperature, > 0; above 1 the attention is sharper.
    Returns:
        (B, N, C), (B, M, C), (B, M, C).
    Source: StyleID (Chung et al. 2024, arXiv 2312.09008), sections 4.1 (q, k, v) and 4.2 (tau).

    The attention that comes of it is the one with replaced and blended q, k and v:

    >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
    <...>
    >>> n, n_style, n_content = torch.randn(3, 1, 5, 8)
    >>> to_q, to_k, to_v = (torch.nn.Linear(8, 8, bias=False) for _ in range(3))
    >>> def attend(q, k, v):
    ...     return (q @ k.mT / 8**0.5).softmax(-1) @ v
    >>> x, context, value = inject_style(n, n_style, n_content, gamma=0.75, tau=1.5)
    >>> q = 1.5 * (0.75 * to_q(n_content) + 0.25 * to_q(n))
    >>> torch.allclose(attend(to_q(x), to_k(context), to_v(value)), attend(q, to_k(n_style), to_v(n_style)), atol=1e-6)
    True
    """
    if n_content is not None and (torch.is_tensor(gamma) or gamma > 0):
        n = torch.lerp(n, n_content, gamma)
    if tau != 1:
        n = n * tau
    return n, n_style, n_style
