"""Every way in which the pack runs the network, small, and the sites that each one passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import comfy.sample
import comfy.samplers
import run_nodes as nodes
import torch
from cellstyle.nodes.apply_style import CellStyleApply
from cellstyle.nodes.blend_styles import CellStyleBlend
from cellstyle.nodes.ddim_invert import DDIMInvert
from cellstyle.nodes.style_settings import CellStyleSettings
from cellstyle.nodes.sweep import CellStyleSweep
from cellstyle.nodes.transfer import CellStyleTransfer
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model, tiny_vae
from fault_sites import NETWORK
from run_expansion import run_expansion
from style_files import load, save

STEPS = 2
FINER = {
    "query_start": 0.0,
    "query_end": 1.0,
    "layer_gamma": "",
    "adain_rate": 0.3,
    "adain_start": 0.0,
    "adain_end": 1.0,
    "trained_size": 0,
    "feature_strength": 0.5,
    "feature_end": 1.0,
}


@dataclass
class Bench:
    """A model, and what a graph would have captured with it before the run that fails."""

    model: object
    vae: object
    conditioning: list
    start: dict
    query: object
    style_kv: object
    style_file: str
    query_with_residuals: object | None

    @classmethod
    def set_up(cls, style_folder: Path) -> Bench:
        """style_folder: ComfyUI's folder of styles, empty; a style is saved there."""
        model, vae, conditioning = tiny_model(), tiny_vae(), tiny_conditioning()
        content, style = nodes.latent(1, 4, 8, 8, seed=1), nodes.latent(1, 4, 8, 12, seed=2)
        inverted, query, _ = nodes.invert(model, conditioning, content, STEPS)
        style_kv, noise = nodes.capture(model, conditioning, style, STEPS)
        name = save(style_kv, noise, "faults")
        assert (style_folder / name).is_file()
        try:
            residuals = _invert_with(model, conditioning, "output.4")[1]
        except ValueError as error:
            assert "does not let a node read residual blocks" in str(error)  # before 0.30
            residuals = None
        return cls(model, vae, conditioning, nodes.adain(inverted, noise), query, style_kv, name, residuals)

    def reference(self) -> torch.Tensor:
        """The run that has to give the same bits after every fault."""
        return nodes.sample(self.model, self.conditioning, self.start, self.style_kv, self.query)


def _invert_with(model, conditioning, residual_features: str):
    return DDIMInvert.execute(
        model=model,
        conditioning=conditioning,
        latent=nodes.latent(1, 4, 8, 8, seed=1),
        steps=STEPS,
        refinement=1,
        layers="auto",
        storage="auto",
        residual_features=residual_features,
    ).result


def _invert(bench: Bench, model):
    _invert_with(model, bench.conditioning, "output.4" if bench.query_with_residuals else "")


def _capture(bench: Bench, model):
    nodes.capture(model, bench.conditioning, nodes.latent(1, 4, 8, 12, seed=2), STEPS)


def _sample(bench: Bench, model):
    nodes.sample(model, bench.conditioning, bench.start, bench.style_kv, bench.query)


def _sample_masked_with_cfg(bench: Bench, model):
    masked = {**bench.start, "noise_mask": torch.ones(1, 64, 64).tril()}
    negative = tiny_conditioning(seed=7)
    nodes.sample(model, bench.conditioning, masked, bench.style_kv, bench.query, negative=negative, cfg=4.0)


def _sample_with_settings(bench: Bench, model):
    query = bench.query_with_residuals
    dials = FINER if query else {**FINER, "feature_strength": 0.0}
    settings = CellStyleSettings.execute(**dials).result[0]
    nodes.sample(model, bench.conditioning, bench.start, bench.style_kv, query or bench.query, settings=settings)


def _apply(bench: Bench, model):
    patched = CellStyleApply.execute(model, bench.style_kv, bench.query, **nodes.DIALS).result[0]
    comfy.sample.sample_custom(
        patched,
        torch.zeros_like(bench.start["samples"]),
        1.0,
        comfy.samplers.sampler_object("heun"),
        bench.query.bank.sigmas,
        bench.conditioning,
        bench.conditioning,
        bench.start["samples"],
        seed=0,
    )


def _blend(bench: Bench, model):
    styles = {"style_1": bench.style_kv, "style_2": bench.style_kv}
    masks = {"mask_1": torch.ones(1, 64, 64).tril()}
    blended = CellStyleBlend.execute(styles, "0.5, 0.4", "share", 1.0, masks).result[0]
    nodes.sample(model, bench.conditioning, bench.start, blended, bench.query)


def _sweep(bench: Bench, model):
    CellStyleSweep.execute(
        model=model,
        conditioning=bench.conditioning,
        latent=bench.start,
        vae=bench.vae,
        style_kv=bench.style_kv,
        content_query=bench.query,
        gammas="0.3, 0.75",
        taus="1.5",
        **{name: value for name, value in nodes.DIALS.items() if name not in ("gamma", "tau")},
    )


def _transfer(bench: Bench, model):
    names = ("model", "conditioning", "vae", "content", "style")
    links = {name: [name, 0] for name in names}
    output = CellStyleTransfer.execute(**links, gamma=0.75, tau=1.5, steps=STEPS, refinement=0)
    pictures = torch.rand(2, 1, 64, 64, 3, generator=torch.Generator().manual_seed(3))
    given = (model, bench.conditioning, bench.vae, pictures[0], pictures[1])
    run_expansion(output, dict(zip(names, given, strict=True)))


def _load(bench: Bench, model):
    load(bench.style_file, model)


# name: the run, and its sites
RUNS: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "DDIMInvert": (_invert, (*NETWORK, "recording", "recording residuals")),
    "StyleKVCapture": (_capture, (*NETWORK, "recording")),
    "InjectedSampler": (_sample, (*NETWORK, "injection")),
    "InjectedSampler, mask and cfg": (_sample_masked_with_cfg, (*NETWORK, "injection")),
    "InjectedSampler, settings": (_sample_with_settings, (*NETWORK, "injection", "step AdaIN")),
    "CellStyleApply": (_apply, (*(site for site in NETWORK if site != "progress"), "injection")),
    "CellStyleBlend": (_blend, (*NETWORK, "injection", "mixing", "mixing result")),
    "CellStyleSweep": (_sweep, (*NETWORK, "injection", "decoding")),
    "CellStyleTransfer": (_transfer, (*NETWORK, "recording", "injection", "encoding", "decoding")),
    "CellStyleLoad": (_load, (*NETWORK, "recording", "reading")),
}
