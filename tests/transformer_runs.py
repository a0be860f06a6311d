"""What the tests of transformers share: one model of each class, the four nodes on it, and the oracle's answer."""

from __future__ import annotations

import functools
import re

import comfy.samplers
import run_nodes as nodes
import torch
import transformer_oracle as oracle
from comfy_test_nodes.tiny_transformers import KINDS, available, tiny_transformer

STEPS = 3
HERE = [kind for kind in KINDS if available(kind)]
"""The kinds whose class this ComfyUI has."""


@functools.cache
def model_of(kind: str, dtype: torch.dtype = torch.float32):
    """One MODEL a kind for all tests: none may change it, and that is tested too."""
    return tiny_transformer(kind, dtype=dtype)


def transfer(model, content, style, text, layers="auto", storage="ram", invert=None, **dials):
    """Content inverted, style captured, the content sampled in the style; the samples. invert: more inputs of both."""
    more = {"steps": STEPS, "layers": layers, "storage": storage, **(invert or {})}
    inverted, query, _ = nodes.invert(model, text, content, **more)
    style_kv, _ = nodes.capture(model, text, style, **more)
    return nodes.sample(model, text, inverted, style_kv, query, **{"gamma": 0.6, "tau": 1.4, **dials})


def paper(model, kind, content, style, text, gamma=0.6, tau=1.4, negative=None, cfg=1.0, chosen=None, **more):
    """The same from the equations. chosen: numbers of the image's attentions in a call, None for all."""
    machine = oracle.Oracle(model, kind, text, negative, cfg, chosen)
    sigmas = oracle.levels(model, STEPS)
    x, of_content = machine.invert(model.model.process_latent_in(content["samples"]), sigmas)
    _, of_style = machine.invert(model.model.process_latent_in(style["samples"]), sigmas)
    return model.model.process_latent_out(machine.sample(x, sigmas, of_content, of_style, gamma, tau, **more))


def sample_euler(model, text, start: dict, sigmas: torch.Tensor, negative=None, cfg=1.0) -> torch.Tensor:
    """ComfyUI's own Euler sampler, as SamplerCustom runs it without noise."""
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(text, text if negative is None else negative)
    guider.set_cfg(cfg)
    samples, sampler = start["samples"], comfy.samplers.sampler_object("euler")
    return guider.sample(torch.zeros_like(samples), samples, sampler, sigmas, disable_pbar=True, seed=0)


_PROJECTION = re.compile(r"(qkv|to_q|to_k|to_v|q_proj|k_proj|v_proj|wq|wk|wv|linear1|w[12][qkv])\.weight$")


def with_lora(model, seed: int = 9):
    """A clone of MODEL with a low-rank change on every projection of queries, keys and values."""
    generator, patches = torch.Generator().manual_seed(seed), {}
    for name, weight in model.model.state_dict().items():
        if _PROJECTION.search(name) and weight.ndim == 2:
            up = torch.randn(weight.shape[0], 2, generator=generator)
            down = torch.randn(2, weight.shape[1], generator=generator)
            patches[name] = ("diff", (0.2 * (up @ down / weight.shape[1] ** 0.5).to(weight.dtype),))
    assert patches
    patched = model.clone()
    assert len(patched.add_patches(patches)) == len(patches)
    return patched


class Counted:
    """How often the network is called, by a wrapper on a clone of MODEL."""

    def __init__(self, model):
        self.calls, self.model = 0, model.clone()
        self.model.add_wrapper("apply_model", self._count)

    def _count(self, executor, *args, **kwargs):
        self.calls += 1
        return executor(*args, **kwargs)
