"""gamma, tau and strength act, each in one direction."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.equations.style_injection import inject_style
from cellstyle.equations.token_grid import match_grid
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model


@pytest.fixture(scope="module")
def graph():
    model, conditioning = tiny_model(), tiny_conditioning()
    content, style = nodes.latent(1, 4, 16, 16, seed=1), nodes.latent(1, 4, 16, 16, seed=2)
    with torch.inference_mode():
        inverted, query, _ = nodes.invert(model, conditioning, content, steps=6)
        style_kv, style_inverted = nodes.capture(model, conditioning, style, steps=6)
        start = nodes.adain(inverted, style_inverted)

    def run(**dials):
        return nodes.sample(model, conditioning, start, style_kv, query, **dials)

    return run


def test_more_gamma_is_closer_to_the_content_queries(graph):
    kept = graph(gamma=1.0)
    distances = [nodes.relative_error(graph(gamma=g), kept) for g in (0.0, 0.3, 0.5, 0.75, 1.0)]
    assert distances == sorted(distances, reverse=True), distances
    assert distances[0] > 1e-3


def test_more_tau_is_sharper_attention():
    # measured where it acts: the entropy of the attention that the projections would make
    generator = torch.Generator().manual_seed(0)
    n, n_style, n_content = (torch.randn(1, 64, 32, generator=generator) for _ in range(3))
    w_q, w_k = (torch.randn(32, 32, generator=generator) / 32**0.5 for _ in range(2))
    entropies = []
    for tau in (0.5, 1.0, 1.25, 1.5, 2.0, 4.0):
        query, context, _ = inject_style(n, n_style, n_content, 0.5, tau)
        attention = ((query @ w_q) @ (context @ w_k).transpose(1, 2) / 32**0.5).softmax(-1)
        entropies.append(float(-(attention * attention.log()).sum(-1).mean()))
    assert entropies == sorted(entropies, reverse=True)
    assert entropies[0] - entropies[-1] > 0.1


def test_more_tau_moves_the_result_further_from_tau_1(graph):
    neutral = graph(tau=1.0)
    distances = [nodes.relative_error(graph(tau=t), neutral) for t in (1.0, 1.25, 1.5, 2.0)]
    assert distances == sorted(distances), distances
    assert distances[-1] > 1e-3


def test_a_falling_gamma_lies_between_its_ends(graph):
    start, end = graph(gamma=0.9), graph(gamma=0.1)
    span = nodes.relative_error(start, end)
    results = {curve: graph(gamma=0.9, gamma_end=0.1, gamma_curve=curve) for curve in ("linear", "cosine", "sqrt")}
    for result in results.values():
        assert 0 < nodes.relative_error(result, end) < span * 1.5
        assert nodes.relative_error(result, start) > 0
    assert torch.equal(graph(gamma=0.9, gamma_end=0.1, gamma_curve="constant"), start)
    # a curve between equal ends is the constant
    assert torch.equal(graph(gamma=0.5, gamma_end=0.5, gamma_curve="cosine"), graph(gamma=0.5))


def test_gamma_0_needs_no_content_query(graph):
    model, conditioning = tiny_model(), tiny_conditioning()
    start = nodes.latent(1, 4, 8, 8)
    style_kv, _ = nodes.capture(model, conditioning, nodes.latent(1, 4, 8, 8, seed=2), steps=3)
    query = nodes.invert(model, conditioning, nodes.latent(1, 4, 8, 8, seed=3), steps=3)[1]
    with_query = nodes.sample(model, conditioning, start, style_kv, query, gamma=0.0)
    assert torch.equal(nodes.sample(model, conditioning, start, style_kv, None, gamma=0.0), with_query)


def test_fewer_layers_inject_less():
    model, conditioning = tiny_model(), tiny_conditioning()
    content, style = nodes.latent(1, 4, 16, 16, seed=1), nodes.latent(1, 4, 16, 16, seed=2)
    inverted, query, _ = nodes.invert(model, conditioning, content)
    style_kv, _ = nodes.capture(model, conditioning, style)
    plain = nodes.sample(model, conditioning, inverted, None, query)
    every = nodes.sample(model, conditioning, inverted, style_kv, query, layers="auto")
    one = nodes.sample(model, conditioning, inverted, style_kv, query, layers="output.11")
    assert 0 < nodes.relative_error(one, plain) < nodes.relative_error(every, plain)


def test_queries_are_resampled_on_their_grid():
    ramp = torch.linspace(0, 1, 4).repeat(3, 1).flatten()[None, :, None]  # 3 x 4 tokens, left to right
    out = match_grid(ramp, (3, 4), (6, 8)).view(6, 8)
    assert torch.allclose(out[0], out[5])
    assert bool((out[0, 1:] >= out[0, :-1]).all())
    assert torch.equal(match_grid(ramp, (3, 4), (3, 4)), ramp)
