"""The nodes agree with the paper's equations (tests/oracle.py) to 1e-4 relative L2 in fp32."""

from __future__ import annotations

import oracle
import pytest
import run_nodes as nodes
import torch
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

LAYERS = {"sd15": range(6, 12), "sd2v": range(6, 12), "sdxl": range(3, 6)}
CONTENT, STYLE = (1, 4, 16, 24), (1, 4, 24, 16)


def oracle_for(kind, model, conditioning, layers, height, width):
    net = model.model
    y = None
    if kind == "sdxl":
        pooled = conditioning[0][1]["pooled_output"]
        y = net.encode_adm(pooled_output=pooled, width=width * 8, height=height * 8, device="cpu")
    return oracle.Oracle(net.diffusion_model, conditioning[0][0], layers, v_prediction=kind == "sd2v", y=y)


def paper(kind, model, conditioning, content, style, steps, gamma, tau, adain=True, inject=True, layers=None):
    """What the equations give, in LATENT scale."""
    scale = model.model.latent_format.scale_factor
    z_c, z_s = content["samples"] * scale, style["samples"] * scale
    layers = layers or LAYERS[kind]
    for_content = oracle_for(kind, model, conditioning, layers, *z_c.shape[2:])
    for_style = oracle_for(kind, model, conditioning, layers, *z_s.shape[2:])
    noise_c, features_c = for_content.invert(z_c, steps)
    noise_s, features_s = for_style.invert(z_s, steps)
    start = oracle.adain(noise_c, noise_s) if adain else noise_c
    features = (features_c, features_s) if inject else (None, None)
    return for_content.sample(start, steps, *features, gamma, tau) / scale


CASES = {
    "the paper's settings": dict(steps=20, gamma=0.75, tau=1.5),
    "style-heavy gamma": dict(steps=10, gamma=0.3, tau=1.5),
    "gamma 0": dict(steps=7, gamma=0.0, tau=1.2),
    "a step count that does not divide the schedule": dict(steps=30, gamma=0.5, tau=1.0),
    "AdaIN off": dict(steps=10, gamma=0.75, tau=1.5, adain=False),
    "injection off": dict(steps=10, gamma=0.75, tau=1.5, inject=False),
    "content 24x40, style 40x32": dict(steps=10, gamma=0.75, tau=1.5, content=(1, 4, 24, 40), style=(1, 4, 40, 32)),
    "batch 2": dict(steps=10, gamma=0.75, tau=1.5, content=(2, 4, 16, 16), style=(2, 4, 16, 16)),
    "one style for two contents": dict(steps=6, gamma=0.6, tau=1.5, content=(2, 4, 16, 16), style=(1, 4, 16, 24)),
    "the authors' port's layers": dict(steps=10, gamma=0.75, tau=1.5, layers=range(7, 12)),
    "v-prediction": dict(kind="sd2v", steps=20, gamma=0.75, tau=1.5),
    "SDXL-shaped": dict(kind="sdxl", steps=10, gamma=0.75, tau=1.5),
}


@pytest.mark.parametrize("name", CASES)
def test_final_latent_agrees_with_the_paper(name):
    case = {"kind": "sd15", "content": CONTENT, "style": STYLE, "layers": None, **CASES[name]}
    kind, layers = case.pop("kind"), case.pop("layers")
    content = nodes.latent(*case.pop("content"), seed=3)
    style = nodes.latent(*case.pop("style"), seed=4)
    model, conditioning = tiny_model(kind), tiny_conditioning(kind)
    expected = paper(kind, model, conditioning, content, style, layers=layers, **case)
    dials = {"gamma": case["gamma"], "tau": case["tau"]}
    if not case.get("inject", True):
        dials["start_percent"] = dials["end_percent"] = 1.0
    text = f"output.{layers[0]}-{layers[-1]}" if layers else "auto"
    result = nodes.transfer(
        model, conditioning, content, style, case["steps"], case.get("adain", True), layers=text, **dials
    )
    assert result.shape == content["samples"].shape
    assert nodes.relative_error(result, expected) <= 1e-4


@pytest.mark.parametrize("kind", ["sd15", "sd2v", "sdxl"])
def test_injecting_before_the_projections_is_injecting_q_k_v(kind):
    # not only small: the injection has to have changed the result, or parity would prove nothing
    model, conditioning = tiny_model(kind), tiny_conditioning(kind)
    content, style = nodes.latent(*CONTENT, seed=3), nodes.latent(*STYLE, seed=4)
    injected = nodes.transfer(model, conditioning, content, style, 4)
    plain = nodes.transfer(model, conditioning, content, style, 4, start_percent=1.0, end_percent=1.0)
    assert nodes.relative_error(injected, plain) > 1e-3


def test_ddim_levels_are_comfyuis_where_the_steps_divide_the_schedule():
    from cellstyle.equations.noise_levels import ddim_sigmas
    from comfy.samplers import ddim_scheduler

    sampling = tiny_model().model.model_sampling
    for steps in (1, 2, 4, 5, 10, 20, 25, 50, 100, 200, 250, 500):
        assert torch.equal(ddim_sigmas(sampling.sigmas, steps), ddim_scheduler(sampling, steps))
    for steps in (3, 7, 12, 30, 35, 64, 999):
        assert len(ddim_sigmas(sampling.sigmas, steps)) == steps + 1
