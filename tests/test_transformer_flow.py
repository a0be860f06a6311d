"""A trained transformer (tests/support/tiny_flow.py): round trips come back, estimates are near, dials are monotone."""

from __future__ import annotations

import functools
import itertools
import logging
import math
import re

import pytest
import run_nodes as nodes
import torch
from tiny_flow import flow_model, flow_text, pictures
from transformer_runs import sample_euler

model_of = functools.cache(flow_model)


@pytest.fixture(scope="module", autouse=True)
def forget():
    yield
    model_of.cache_clear()


def decibels(result: torch.Tensor, clean: torch.Tensor) -> float:
    peak = float(clean.max() - clean.min())
    return 20 * math.log10(peak / float((result - clean).square().mean().sqrt()))


def picture(seed: int, count: int = 1) -> dict:
    return {"samples": model_of().model.process_latent_out(pictures(count, seed))}


def round_trip(steps: int, caplog=None, **more) -> tuple[float, float]:
    """(PSNR of inverting and sampling back, the estimate in the log)"""
    content = picture(5, 2)
    with caplog.at_level(logging.INFO):
        caplog.clear()
        inverted, _, sigmas = nodes.invert(model_of(), flow_text(), content, steps, **more)
    said = next(record.message for record in caplog.records if "(estimated)" in record.message)
    back = nodes.sample(model_of(), flow_text(), inverted, sigmas=sigmas)
    clean = model_of().model.process_latent_in(content["samples"])
    return decibels(model_of().model.process_latent_in(back), clean), float(re.search(r"about (\d+) dB", said)[1])


def test_twenty_steps_of_multistep_with_one_repeat_come_back(caplog):
    reached, estimated = round_trip(20, caplog, solver="multistep", refinement=1)
    assert reached >= 45
    assert abs(reached - estimated) <= 10


@pytest.mark.parametrize("steps", [8, 12])
@pytest.mark.parametrize(
    "more", [{}, {"refinement": 1}, {"solver": "multistep"}, {"solver": "multistep", "refinement": 2}]
)
def test_the_estimate_is_near_the_round_trip(steps, more, caplog):
    reached, estimated = round_trip(steps, caplog, **more)
    assert abs(reached - estimated) <= 12


def test_the_content_as_its_own_style_is_the_round_trip():
    content = picture(5)
    inverted, query, sigmas = nodes.invert(model_of(), flow_text(), content, 12, solver="multistep", refinement=1)
    style_kv, _ = nodes.capture(model_of(), flow_text(), content, 12, solver="multistep", refinement=1)
    injected = nodes.sample(model_of(), flow_text(), inverted, style_kv, query, gamma=1.0, tau=1.0)
    plain = sample_euler(model_of(), flow_text(), inverted, sigmas)
    assert nodes.relative_error(injected, plain) <= 5e-3


@functools.cache
def scene():
    more = {
        "solver": "multistep",
        "layers": "single.1",
    }  # of its three blocks, the one after which only the picture is left
    content, style = picture(100), picture(200)
    inverted, query, _ = nodes.invert(model_of(), flow_text(), content, 8, **more)
    style_kv, noise = nodes.capture(model_of(), flow_text(), style, 8, **more)
    return content, style, inverted, noise, query, style_kv


def styled(**dials) -> torch.Tensor:
    _, _, inverted, _, query, style_kv = scene()
    return nodes.sample(model_of(), flow_text(), inverted, style_kv, query, **{"gamma": 0.5, "tau": 1.0, **dials})


def test_more_gamma_goes_steadily_to_the_contents_own_queries():
    end = styled(gamma=1.0)
    left = [nodes.relative_error(styled(gamma=gamma), end) for gamma in (0.0, 0.3, 0.6, 0.9)]
    assert all(more > less for more, less in itertools.pairwise(left))


def test_more_tau_changes_the_picture_steadily():
    base = styled(tau=1.0)
    steps = [nodes.relative_error(styled(tau=tau), base) for tau in (1.1, 1.3, 1.6)]
    assert all(less < more for less, more in itertools.pairwise(steps))


def test_adain_of_the_latent_gives_the_styles_palette():
    content, style, inverted, noise, query, style_kv = scene()
    start = nodes.adain(inverted, noise)
    result = nodes.sample(model_of(), flow_text(), start, style_kv, query, gamma=0.5)
    means = [x.mean((-2, -1)) for x in (result, style["samples"], content["samples"])]
    assert (means[0] - means[1]).norm() < 0.75 * (means[2] - means[1]).norm()


def test_a_noise_mask_keeps_the_content_outside():
    content, _, inverted, _, query, style_kv = scene()
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., :8] = 1
    masked = {**inverted, "noise_mask": mask}
    result = nodes.sample(model_of(), flow_text(), masked, style_kv, query, gamma=0.5)
    outside = nodes.relative_error(result[..., 9:], content["samples"][..., 9:])
    inside = nodes.relative_error(result[..., :7], content["samples"][..., :7])
    assert outside <= 1e-3 < 1e-2 < inside
