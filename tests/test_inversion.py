"""Inversion and plain sampling are each other's inverse, better with more steps and with refinement."""

from __future__ import annotations

import itertools
import math

import pytest
import run_nodes as nodes
import torch
from cellstyle.equations.ddim_inversion import sample_ddim_inversion
from cellstyle.equations.noise_levels import check_sampling_sigmas, ddim_sigmas, inversion_levels, nearest_level
from cellstyle.equations.noise_path import variance_preserving
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model


def round_trip_error(model, conditioning, content, steps, refinement=0):
    inverted, query, _ = nodes.invert(model, conditioning, content, steps, refinement)
    back = nodes.sample(model, conditioning, inverted, None, query)
    return nodes.relative_error(back, content["samples"])


@pytest.mark.parametrize("kind", ["sd15", "sd2v"])
def test_round_trip_improves_with_steps_and_with_refinement(kind):
    # a random network is less smooth over the levels than a trained one: let it predict little
    model, conditioning = tiny_model(kind, output_gain=0.05), tiny_conditioning(kind)
    content = nodes.latent(1, 4, 16, 16, seed=7)
    by_steps = [round_trip_error(model, conditioning, content, steps) for steps in (5, 10, 20, 40)]
    assert by_steps == sorted(by_steps, reverse=True), by_steps
    by_refinement = [round_trip_error(model, conditioning, content, 10, k) for k in (0, 1, 2)]
    assert by_refinement == sorted(by_refinement, reverse=True), by_refinement


def test_a_perfectly_denoising_model_is_inverted_exactly():
    # D(x, sigma) = m: the trajectory is the straight line from x to m, at any step count
    mean = torch.full((1, 1, 2, 2), 0.3)
    x0 = torch.tensor([[[[0.5, -1.0], [2.0, 0.0]]]])
    levels = torch.tensor([0.5, 1.0, 2.0])
    seen = []

    def model(x, sigma):
        seen.append(float(sigma[0]))
        return mean.expand_as(x)

    x = sample_ddim_inversion(model, x0, levels, disable=True, refinement=50)
    start = x0 * math.sqrt(1 + 0.5**2)
    # fixed point of x_b = x_a + (b - a) * (x_b - m) / b, step by step
    for a, b in ((0.5, 1.0), (1.0, 2.0)):
        start = mean + (start - mean) * b / a
    assert torch.allclose(x, start, rtol=1e-5)
    assert seen == [1.0] * 51 + [2.0] * 51


def test_the_network_sees_the_latent_with_its_variance_preserving_norm():
    x0, seen = torch.ones(1, 1, 1, 1), []
    levels = [0.5, 2.0, 3.0]

    def model(x, sigma):
        seen.append(float(x.squeeze()))
        return x  # no predicted noise: x itself stays

    x = sample_ddim_inversion(model, x0, torch.tensor(levels), disable=True)
    first = math.sqrt(1 + 0.25)
    assert float(x.squeeze()) == pytest.approx(first)
    assert seen == pytest.approx([first * math.sqrt(5 / 1.25), first * math.sqrt(10 / 5)])
    assert variance_preserving().ratio(2.0, 2.0) == 1


def test_refinement_costs_its_calls_and_records_once_a_level():
    calls, recorded = [], []

    def model(x, sigma, tag=None):
        calls.append(tag)
        return 0.5 * x

    def recording(step, sigma, x_in):
        recorded.append((step, sigma))
        return {"tag": "recorded"}

    sigmas = torch.tensor([0.1, 1.0, 2.0, 4.0])
    sample_ddim_inversion(model, torch.ones(2, 1, 2, 2), sigmas, disable=True, refinement=2, recording_args=recording)
    assert calls == [None, None, "recorded"] * 3
    assert recorded == [(0, 1.0), (1, 2.0), (2, 4.0)]


def test_levels_start_at_the_models_smallest_sigma_and_skip_the_final_zero():
    levels = inversion_levels(torch.tensor([10.0, 1.0, 0.0]), 0.0292)
    assert levels.tolist() == pytest.approx([0.0292, 1.0, 10.0])
    # a schedule that goes below the model's smallest sigma never makes the first step go down
    assert inversion_levels(torch.tensor([10.0, 0.01]), 0.0292).tolist() == pytest.approx([0.01, 0.01, 10.0])


@pytest.mark.parametrize(
    "sigmas", [[1.0], [0.0, 1.0], [2.0, 2.0], [2.0, 3.0, 0.0], [3.0, float("nan"), 0.0], [3.0, -1.0], [[3.0, 0.0]]]
)
def test_sigmas_that_cannot_be_climbed_are_refused(sigmas):
    with pytest.raises(ValueError, match="sigmas"):
        check_sampling_sigmas(torch.tensor(sigmas))


def test_the_nearest_level_is_nearest_in_log_sigma_and_none_outside():
    levels = [10.0, 1.0, 0.1]
    assert nearest_level(10.0, levels) == 0
    assert nearest_level(3.2, levels) == 0
    assert nearest_level(3.1, levels) == 1
    assert nearest_level(0.1, levels) == 2
    assert nearest_level(10.5, levels) is None
    assert nearest_level(0.09, levels) is None
    assert nearest_level(0.0, levels) is None


def test_a_schedulers_sigmas_can_be_used_instead_of_steps():
    from comfy.samplers import calculate_sigmas

    model, conditioning = tiny_model(), tiny_conditioning()
    sigmas = calculate_sigmas(model.model.model_sampling, "karras", 6)
    content = nodes.latent(1, 4, 8, 8)
    _, query, out = nodes.invert(model, conditioning, content, steps=99, sigmas=sigmas)
    assert torch.equal(out, sigmas)
    assert query.bank.levels == pytest.approx(sigmas[:-1].tolist())


@pytest.mark.parametrize("steps", [1, 2, 11, 49, 981])
def test_linspace_covers_the_range_of_the_papers_fifty_steps(steps):
    model_sigmas = torch.linspace(0.03, 15, 1000) ** 1.5
    paper, found = ddim_sigmas(model_sigmas, 50), ddim_sigmas(model_sigmas, steps, "linspace")
    assert len(check_sampling_sigmas(found)) == steps + 1
    assert found[-2] == paper[-2] and found[-1] == 0
    assert steps == 1 or found[0] == paper[0]
    timesteps = [model_sigmas.tolist().index(float(s)) for s in found[:-1]]
    gaps = [a - b for a, b in itertools.pairwise(timesteps)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_linspace_of_fifty_steps_is_the_papers():
    model_sigmas = torch.linspace(0.03, 15, 1000)
    assert torch.equal(ddim_sigmas(model_sigmas, 50, "linspace"), ddim_sigmas(model_sigmas, 50))


def test_a_spacing_that_cannot_be_is_refused():
    model_sigmas = torch.linspace(0.03, 15, 1000)
    with pytest.raises(ValueError, match=r"steps is 982; this model's schedule allows 1 to 981"):
        ddim_sigmas(model_sigmas, 982, "linspace")
    with pytest.raises(ValueError, match=r"spacing 'karras' is unknown; choose one of leading, linspace"):
        ddim_sigmas(model_sigmas, 10, "karras")


def test_levels_that_a_scheduler_repeats_count_once():
    """LaplaceScheduler's first levels are all the highest of the model."""
    laplace = torch.tensor([14.6, 14.6, 14.6, 3.0, 0.5, 0.0])
    assert check_sampling_sigmas(laplace).tolist() == pytest.approx([14.6, 3.0, 0.5, 0.0])
    model, conditioning, content = tiny_model(), tiny_conditioning(), nodes.latent(1, 4, 8, 8)
    start, query, sigmas = nodes.invert(model, conditioning, content, sigmas=laplace)
    assert len(sigmas) == 4
    assert len(query.bank.levels) == 3
    again = nodes.sample(model, conditioning, start, sigmas=laplace)
    assert torch.equal(again, nodes.sample(model, conditioning, start, sigmas=sigmas))
