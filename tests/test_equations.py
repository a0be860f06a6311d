"""The equations that no test of their own has: examples in their docstrings, and what they promise at the ends."""

from __future__ import annotations

import doctest
import importlib
import math

import pytest
import torch
from cellstyle.common.pairing import check_images, paired_count
from cellstyle.common.word_lists import words_of
from cellstyle.equations.flow_levels import FLOW_TOP, flow_sigmas
from cellstyle.equations.masked_start import masked_start_noise
from cellstyle.equations.noise_path import variance_preserving
from cellstyle.equations.residual_features import mix_residual
from cellstyle.equations.style_injection import inject_style
from cellstyle.equations.token_attention import blend_queries, match_statistics
from places import ROOT

MODULES = sorted(path.stem for path in (ROOT / "equations").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(f"cellstyle.equations.{name}")
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_adain_and_inject_style_have_an_example():
    for name in ("adain", "style_injection"):
        found = doctest.DocTestFinder().find(importlib.import_module(f"cellstyle.equations.{name}"))
        assert any(test.examples for test in found)


@pytest.mark.parametrize("sigma", [0.03, 1.0, 14.6])
def test_masked_sampling_starts_at_the_inverted_latent(sigma):
    x, clean = torch.randn(2, 1, 4, 6, 5)
    noise = masked_start_noise(x, clean, sigma, variance_preserving())
    assert torch.allclose(clean + sigma * noise, x, atol=1e-5)


def test_at_the_highest_level_the_noise_is_what_comfyui_scales_there():
    x, clean = torch.randn(2, 1, 4, 6, 5)
    noise = masked_start_noise(x, clean, 14.6, variance_preserving(), sigma_max=14.6)
    assert torch.allclose(clean + noise * math.sqrt(1 + 14.6**2), x, atol=1e-5)


def test_a_paths_ratio_keeps_the_variance_preserving_twin():
    path = variance_preserving(0.5)
    twin = 3.0 / math.sqrt(3.0**2 + 0.25)
    assert 3.0 * path.ratio(3.0, 7.0) / math.sqrt(7.0**2 + 0.25) == pytest.approx(twin)
    assert path.clock(0.0) == 0 and path.clock(1e9) == pytest.approx(math.pi / 2)


def test_residual_features_go_from_the_images_own_to_the_contents():
    h, content = torch.randn(2, 1, 8, 3, 4)
    assert torch.equal(mix_residual(h, content, 0.0), h) and torch.equal(mix_residual(h, content, 1.0), content)
    assert torch.allclose(mix_residual(h, content, 0.25), 0.75 * h + 0.25 * content, atol=1e-6)


def test_levels_of_a_flow_model_stay_below_pure_noise():
    low = torch.tensor([0.9, 0.5, 0.0])
    assert torch.equal(flow_sigmas(low), low)
    lowered = flow_sigmas(torch.tensor([1.0, 0.9995, 0.9, 0.0]))
    assert lowered[0] == pytest.approx(FLOW_TOP) and torch.equal(lowered[2:], torch.tensor([0.9, 0.0]))
    assert bool((lowered.diff() < 0).all())


def test_queries_after_the_projections_are_those_before_them():
    n, content = torch.randn(2, 1, 5, 8)
    project = torch.nn.Linear(8, 8, bias=False)
    before = project(inject_style(n, n, content, gamma=0.7, tau=1.4)[0])
    assert torch.allclose(blend_queries(project(n), project(content), 0.7, 1.4), before, atol=1e-5)
    assert blend_queries(n, None, 0.7, 1.0) is n


def test_queries_take_the_styles_mean_and_spread():
    x, style = torch.randn(2, 3, 40, 8), 2 + 3 * torch.randn(2, 3, 60, 8)
    std, mean = torch.std_mean(style, -2, keepdim=True, correction=0)
    moved = match_statistics(x, mean, std, 1.0)
    assert torch.allclose(moved.mean(-2, keepdim=True), mean, atol=1e-4)
    assert torch.allclose(moved.std(-2, keepdim=True, correction=0), std, atol=1e-4)
    assert torch.equal(match_statistics(x, mean, std, 0.0), x)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 4), (4, 1), (3, 3)])
def test_one_or_as_many_make_pairs(n, m):
    assert paired_count(n, m, "contents", "styles") == max(n, m)


def test_other_counts_are_named():
    with pytest.raises(ValueError, match="2 contents and 3 styles cannot be paired"):
        paired_count(2, 3, "contents", "styles")
    with pytest.raises(ValueError, match="1 latents are sampled with 3 style images"):
        check_images("style", 3, 1)


def test_lists_of_words():
    assert words_of(" 0.3,0.5 ;  0.75\n") == ["0.3", "0.5", "0.75"]
    assert words_of("output.6-8: 1, output.9: 0.5", ",") == ["output.6-8: 1", "output.9: 0.5"]
    assert words_of(" , ") == []
