"""Several styles in a transformer: weights interpolate, masks place, shared tokens stand beside the picture's own."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.nodes.blend_styles import CellStyleBlend
from comfy_test_nodes.tiny_transformers import tiny_latent, tiny_text
from transformer_runs import HERE, model_of, sample_euler

KINDS_HERE = [kind for kind in ("flux", "zimage", "qwen", "sd35m", "anima", "hidream") if kind in HERE]


def blend(*styles, weights="", mode="replace", share_bias=0.0, masks=None, source_masks=None):
    return CellStyleBlend.execute(
        {f"style_{i}": style for i, style in enumerate(styles, 1)},
        weights,
        mode,
        share_bias,
        {f"mask_{i}": m for i, m in (masks or {}).items()},
        {f"source_mask_{i}": m for i, m in (source_masks or {}).items()},
    ).result[0]


class Scene:
    """A content and two styles of different sizes."""

    def __init__(self, kind: str):
        self.model, self.text = model_of(kind), tiny_text(kind)
        self.start, self.query, self.sigmas = nodes.invert(self.model, self.text, tiny_latent(kind, 1), 2)
        self.a, _ = nodes.capture(self.model, self.text, tiny_latent(kind, 2), 2)
        self.b, _ = nodes.capture(self.model, self.text, tiny_latent(kind, 3, (8, 5)), 2)

    def run(self, style, **dials):
        dials = {"gamma": 0.5, "tau": 1.2, **dials}
        return nodes.sample(self.model, self.text, self.start, style, self.query, **dials)

    def plain(self):
        return sample_euler(self.model, self.text, self.start, self.sigmas)


def half(left: float) -> torch.Tensor:
    mask = torch.full((1, 6, 8), 1 - left)
    mask[..., :4] = left
    return mask


@pytest.mark.parametrize("kind", KINDS_HERE)
def test_weights_masks_and_shared_tokens(kind):
    scene = Scene(kind)
    only = {name: scene.run(getattr(scene, name)) for name in "ab"}
    assert nodes.relative_error(scene.run(blend(scene.a, scene.b, weights="1, 0")), only["a"]) <= 1e-5
    assert nodes.relative_error(scene.run(blend(scene.a, scene.b, weights="0, 1")), only["b"]) <= 1e-5
    both = scene.run(blend(scene.a, scene.b))
    assert min(nodes.relative_error(both, only[name]) for name in "ab") > 1e-3
    everywhere, nowhere = torch.ones(1, 6, 8), torch.zeros(1, 6, 8)
    assert nodes.relative_error(scene.run(blend(scene.a, masks={1: everywhere})), only["a"]) <= 1e-5
    assert nodes.relative_error(scene.run(blend(scene.a, masks={1: nowhere})), scene.plain()) <= 1e-5
    placed = scene.run(blend(scene.a, scene.b, masks={1: half(1.0), 2: half(0.0)}))
    swapped = scene.run(blend(scene.a, scene.b, masks={1: half(0.0), 2: half(1.0)}))
    assert nodes.relative_error(placed, swapped) > 1e-3
    # the style's logits pushed out of sight: with the picture's own queries nothing is left but the picture
    hidden = blend(scene.b, mode="share", share_bias=-20.0)
    shared = blend(scene.b, mode="share")
    assert nodes.relative_error(scene.run(hidden, gamma=0.0, tau=1.0), scene.plain()) <= 1e-4
    assert nodes.relative_error(scene.run(shared, gamma=0.0, tau=1.0), scene.plain()) > 1e-3


@pytest.mark.parametrize("kind", KINDS_HERE[:2])
def test_a_part_of_the_styles_picture(kind):
    """All of it is the style; the part is what a mask of its left half leaves, whatever stands in the other."""
    scene = Scene(kind)
    whole = torch.ones(1, 6, 8)
    assert nodes.relative_error(scene.run(blend(scene.a, source_masks={1: whole})), scene.run(scene.a)) <= 1e-5
    part = scene.run(blend(scene.a, source_masks={1: half(1.0)}))
    assert nodes.relative_error(part, scene.run(scene.a)) > 1e-4
