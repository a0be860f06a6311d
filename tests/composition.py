"""What every composition test checks: two effects on one model, both there, and each alone as it was.

`Scene` is the pack's graph with a model patch (CellStyleApply) in the place where any sampler takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import comfy.sample
import comfy.samplers
import run_nodes as nodes
import torch
from cellstyle.nodes.apply_style import CellStyleApply
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

STEPS = 2
# a relative difference that no rounding makes: an effect is there
PRESENT = 1e-3
# self-attention in the middle and in output.6-11 alone: half the time of the whole tiny model
LEAN = {"transformer_depth": [0] * 8, "transformer_depth_output": [1] * 6 + [0] * 6}


def outputs(result) -> tuple:
    """What a node put out, whichever way its version of ComfyUI returns it."""
    return result if isinstance(result, tuple) else result.result


class Scene:
    """A seeded model, a content and a style of another size, inverted with the model as it is."""

    def __init__(self, contents: int = 1, styles: int = 1, layers: str = "auto"):
        self.model, self.conditioning = tiny_model(**LEAN), tiny_conditioning()
        self.negative = tiny_conditioning(seed=8)
        self.content = nodes.latent(contents, 4, 16, 16, seed=1)
        self.style = nodes.latent(styles, 4, 16, 24, seed=2)
        self.start, self.query, self.sigmas = nodes.invert(
            self.model, self.conditioning, self.content, STEPS, layers=layers
        )
        self.style_kv = nodes.capture(self.model, self.conditioning, self.style, STEPS, layers=layers)[0]

    def inject(self, model, style_kv=None, **dials):
        """The MODEL with the injection on it."""
        style_kv = self.style_kv if style_kv is None else style_kv
        return CellStyleApply.execute(model, style_kv, self.query, **{**nodes.DIALS, **dials}).result[0]

    @cached_property
    def stylised(self) -> torch.Tensor:
        """The injection alone, from before anything else was on the model."""
        return self.sample(self.inject(self.model))

    def sample(self, model, positive=None, negative=None, cfg: float = 1.0, mask=None) -> torch.Tensor:
        """Euler over the inversion's levels with any MODEL; the same random numbers every time."""
        torch.manual_seed(0)
        positive = positive or self.conditioning
        return comfy.sample.sample_custom(
            model,
            torch.zeros_like(self.start["samples"]),
            cfg,
            comfy.samplers.sampler_object("euler"),
            self.sigmas,
            positive,
            negative or positive,
            self.start["samples"],
            noise_mask=mask,
            seed=0,
        )


def check_both_are_there(scene: Scene, other: Callable, inject: Callable | None = None, swap=True, **sampling):
    """`other` and `inject` (MODEL to MODEL; by default the scene's injection) on one model, put on in both orders.

    Together they give what neither gives alone, in either order; each one alone gives the same bits before and after.
    swap: False leaves out the other order, where it takes long.
    """
    usual = inject is None and not sampling
    inject = inject or scene.inject
    injected = scene.stylised if usual else scene.sample(inject(scene.model), **sampling)
    alone = scene.sample(other(scene.model), **sampling)
    both = scene.sample(inject(other(scene.model)), **sampling)
    check_differ(both, alone, injected)
    if swap:
        swapped = scene.sample(other(inject(scene.model)), **sampling)
        assert nodes.relative_error(swapped, both) < 1e-5, "the order of the nodes matters"
    assert torch.equal(scene.sample(other(scene.model), **sampling), alone)
    assert torch.equal(scene.sample(inject(scene.model), **sampling), injected)


def check_differ(both: torch.Tensor, alone: torch.Tensor, injected: torch.Tensor) -> None:
    """Both effects are in `both`: it is neither the other node alone nor the injection alone."""
    assert torch.isfinite(both).all()
    assert nodes.relative_error(both, injected) > PRESENT, "the other node does nothing"
    assert nodes.relative_error(both, alone) > PRESENT, "the injection does nothing"


def check_conditioning(scene: Scene, positive: list | None = None, **sampling):
    """The same for a CONDITIONING, or other inputs of the sampler, in the other node's place."""
    injected, stylised = scene.inject(scene.model), scene.stylised
    alone = scene.sample(scene.model, positive, **sampling)
    check_differ(scene.sample(injected, positive, **sampling), alone, stylised)
    assert torch.equal(scene.sample(scene.model, positive, **sampling), alone)
    assert torch.equal(scene.sample(injected), stylised)


def one_conditioning_at_a_time(apply_model, args):
    """A UNet function wrapper that splits the network call which several conditionings share."""
    kinds, conditions, results = args["cond_or_uncond"], args["c"], []
    size = len(args["input"]) // len(kinds)
    for i, kind in enumerate(kinds):
        part = slice(i * size, (i + 1) * size)
        options = conditions["transformer_options"]
        options = {**options, "cond_or_uncond": [kind], "uuids": [options["uuids"][i]]}
        c = {**conditions, "c_crossattn": conditions["c_crossattn"][part], "transformer_options": options}
        results.append(apply_model(args["input"][part], args["timestep"][part], **c))
    return torch.cat(results)
