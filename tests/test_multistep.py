"""The multistep inversion: DDIM's first step, then guesses of second order, at one call a step."""

from __future__ import annotations

import itertools
import math

import pytest
import run_nodes as nodes
import torch
from cellstyle.equations.ddim_inversion import SOLVERS, extrapolated_noise, sample_ddim_inversion
from cellstyle.equations.noise_path import variance_preserving
from comfy.model_management import InterruptProcessingException
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

FAST = {"solver": "multistep", "spacing": "linspace"}
SPREAD = torch.tensor([0.3, 1.0, 2.0, 0.7], dtype=torch.float64).view(1, 4, 1, 1)


def gaussian(x, sigma):
    """The denoiser of Gaussian data whose channels have the standard deviations SPREAD."""
    variance = SPREAD.to(x) ** 2
    return x * variance / (variance + sigma.view(-1, 1, 1, 1) ** 2)


def curved(x, sigma):
    """A denoiser whose trajectories bend and mix channels."""
    sigma = sigma.view(-1, 1, 1, 1)
    return gaussian(x, sigma) - 0.3 * sigma * torch.sin(x.roll(1, 1) / (1 + sigma**2).sqrt())


def picture(*shape: int, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def levels(steps: int) -> torch.Tensor:
    """Ascending from 0.03 to 10, even in the angle, so that halving the steps doubles every one."""
    angles = torch.linspace(math.atan(0.03), math.atan(10), steps + 1, dtype=torch.float64)
    return torch.tan(angles)


def euler_down(model, x, ascending):
    """What sampling does, from the top of the levels to the first."""
    down = ascending.flip(0).tolist()
    for a, b in itertools.pairwise(down):
        x = x + (b - a) * (x - model(x, a * x.new_ones(len(x)))) / a
    return x


def round_trip(solver: str, steps: int, refinement=0, model=curved, dtype=torch.float64) -> float:
    """Relative error of inversion and Euler back to the first level."""
    x0, climbed = picture(2, 4, 5, 7, dtype=dtype), levels(steps)
    x = sample_ddim_inversion(model, x0, climbed, disable=True, refinement=refinement, solver=solver)
    return nodes.relative_error(euler_down(model, x, climbed), x0 * math.sqrt(1 + 0.03**2))


def test_the_guess_lies_on_the_line_over_the_angle():
    def line(sigma):
        return torch.tensor([1.0, -2.0]) + math.atan(sigma / 0.5) * torch.tensor([3.0, 0.5])

    before = [(s, line(s)) for s in (0.2, 1.0)]
    assert torch.allclose(extrapolated_noise(before, 30.0, path=variance_preserving(0.5)), line(30.0))
    assert torch.equal(extrapolated_noise(before[1:], 30.0), line(1.0))


@pytest.mark.parametrize("model", [gaussian, curved])
def test_it_converges_an_order_faster_than_ddim(model):
    order = {}
    for solver in SOLVERS:
        errors = [round_trip(solver, steps, model=model) for steps in (40, 80, 160)]
        order[solver] = min(math.log2(a / b) for a, b in itertools.pairwise(errors))
    assert 0.7 < order["ddim"] < 1.5, order
    assert order["multistep"] > 1.8, order


@pytest.mark.parametrize("kind", ["sd15", "sd2v"])
def test_a_dozen_steps_beat_fifty_of_ddim_and_twenty_do_so_by_10_db(kind):
    # a random network is less smooth over the levels than a trained one: let it predict little
    model, conditioning = tiny_model(kind, output_gain=0.05), tiny_conditioning(kind)
    content = nodes.latent(1, 4, 9, 14, seed=7)
    error = {}
    for solver, steps in (("ddim", 50), ("multistep", 12), ("multistep", 20)):
        inverted, query, _ = nodes.invert(model, conditioning, content, steps, solver=solver)
        error[steps] = nodes.relative_error(
            nodes.sample(model, conditioning, inverted, None, query), content["samples"]
        )
    assert error[12] < error[50] and error[20] < error[50] / 10**0.5, error


@pytest.mark.parametrize(("dtype", "bar"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("solver", SOLVERS)
def test_refined_it_is_the_exact_inverse(solver, dtype, bar):
    assert round_trip(solver, 40, refinement=30, dtype=dtype) < bar


def test_one_step_is_ddims():
    x0 = picture(1, 4, 3, 3)
    found = [sample_ddim_inversion(curved, x0, levels(1), disable=True, solver=solver) for solver in SOLVERS]
    assert torch.equal(*found)


@pytest.mark.parametrize("refinement", [0, 2])
def test_it_costs_ddims_calls_and_records_the_last_of_a_level(refinement):
    calls, recorded = [], []

    def model(x, sigma, tag=None):
        calls.append((float(sigma[0]), tag))
        return 0.5 * x

    def recording(step, sigma, x_in):
        recorded.append((step, sigma))
        return {"tag": "recorded"}

    sample_ddim_inversion(
        *(model, torch.ones(1, 1, 2, 2), torch.tensor([0.1, 1.0, 2.0, 4.0])),
        disable=True,
        refinement=refinement,
        solver="multistep",
        recording_args=recording,
    )
    assert recorded == [(0, 1.0), (1, 2.0), (2, 4.0)]
    assert calls == [call for s in (1.0, 2.0, 4.0) for call in [(s, None)] * refinement + [(s, "recorded")]]


def test_a_batch_is_its_single_runs():
    x0, climbed = picture(3, 4, 5, 3), levels(8)
    whole = sample_ddim_inversion(curved, x0, climbed, disable=True, solver="multistep")
    single = [sample_ddim_inversion(curved, x[None], climbed, disable=True, solver="multistep") for x in x0]
    assert torch.allclose(whole, torch.cat(single), rtol=1e-12)


def test_refined_it_inverts_the_whole_sampling_of_a_node():
    model, conditioning = tiny_model(output_gain=0.05), tiny_conditioning()
    content = nodes.latent(1, 4, 7, 10, seed=7)
    inverted, query, _ = nodes.invert(model, conditioning, content, 8, refinement=6, solver="multistep")
    back = nodes.sample(model, conditioning, inverted, None, query)
    assert nodes.relative_error(back, content["samples"]) < 1e-4


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
def test_a_batch_of_odd_size_gives_what_its_pictures_give(kind):
    model, conditioning = tiny_model(kind), tiny_conditioning(kind)
    both = nodes.latent(2, 4, 7, 13, seed=3)
    inverted, query, _ = nodes.invert(model, conditioning, both, 5, **FAST)
    for i in range(2):
        alone = {"samples": both["samples"][i : i + 1]}
        single, single_query, _ = nodes.invert(model, conditioning, alone, 5, **FAST)
        assert nodes.relative_error(inverted["samples"][i : i + 1], single["samples"]) < 1e-4
        for layer, n in single_query.bank.level(0).tensors.items():
            assert nodes.relative_error(query.bank.blocks[layer][0, i : i + 1], n) < 1e-4


def test_recomputed_features_are_the_kept_ones():
    model, conditioning = tiny_model(), tiny_conditioning()
    content, style = nodes.latent(1, 4, 8, 12, seed=1), nodes.latent(1, 4, 10, 8, seed=2)
    found = []
    for storage in ("ram", "recompute"):
        inverted, query, _ = nodes.invert(model, conditioning, content, 4, storage=storage, **FAST)
        style_kv, noise = nodes.capture(model, conditioning, style, 4, storage=storage, **FAST)
        found.append(nodes.sample(model, conditioning, nodes.adain(inverted, noise), style_kv, query))
    assert nodes.relative_error(*found) < 1e-3


def test_an_interrupted_pass_leaves_nothing_behind():
    model, conditioning, content = tiny_model(), tiny_conditioning(), nodes.latent(1, 4, 8, 8)
    calls = []

    def interrupted(apply_model, args):
        calls.append(args["timestep"])
        if len(calls) == 3:
            raise InterruptProcessingException
        return apply_model(args["input"], args["timestep"], **args["c"])

    stopped = model.clone()
    stopped.set_model_unet_function_wrapper(interrupted)
    before = nodes.invert(model, conditioning, content, 5, **FAST)[0]["samples"]
    with pytest.raises(InterruptProcessingException):
        nodes.invert(stopped, conditioning, content, 5, **FAST)
    assert len(calls) == 3
    assert torch.equal(nodes.invert(model, conditioning, content, 5, **FAST)[0]["samples"], before)


def test_an_unknown_solver_is_refused():
    with pytest.raises(ValueError, match=r"solver 'heun' is unknown; choose one of ddim, multistep"):
        sample_ddim_inversion(curved, picture(1, 4, 2, 2), levels(2), solver="heun")
