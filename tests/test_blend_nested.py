"""A blend inside a blend is what it says, and masks of any sensible shape are taken."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.equations.style_blend import branch_weights
from cellstyle.nodes.blend_styles import CellStyleBlend
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model


def blend(*styles, weights="", mode="replace", share_bias=0.0, masks=None, source_masks=None):
    return CellStyleBlend.execute(
        {f"style_{i}": style for i, style in enumerate(styles, 1)},
        weights,
        mode,
        share_bias,
        {f"mask_{i}": m for i, m in (masks or {}).items()},
        {f"source_mask_{i}": m for i, m in (source_masks or {}).items()},
    ).result[0]


@pytest.fixture(scope="module")
def styles():
    with torch.inference_mode():
        model, conditioning = tiny_model(), tiny_conditioning()
        return [nodes.capture(model, conditioning, nodes.latent(1, 4, 8, 8, seed=i), 1)[0] for i in (2, 3, 4)]


def left(size: int = 16) -> torch.Tensor:
    mask = torch.zeros(1, size, size)
    mask[..., : size // 2] = 1
    return mask


def top(size: int = 16) -> torch.Tensor:
    return left(size).transpose(-1, -2)


def shares(mix) -> torch.Tensor:
    """(styles, 64), what each style has at the tokens of an 8 x 8 grid."""
    weights, masks = [part.weight for part in mix.parts], [part.mask for part in mix.parts]
    return branch_weights(weights, masks, (8, 8), 1, "cpu", torch.float32)[0].flatten(1)


def test_source_masks_of_both_blends_hold(styles):
    inner = blend(styles[0], source_masks={1: left()})
    outer = blend(inner, source_masks={1: top()})
    assert torch.equal(outer.parts[0].source_mask, left() * top())
    assert torch.equal(blend(inner).parts[0].source_mask, left())


def test_an_inner_share_bias_is_not_lost(styles):
    inner = blend(styles[0], styles[1], mode="share", share_bias=1.5)
    with pytest.raises(ValueError, match=r"same share_bias; the inner has 1\.5, this one 0"):
        blend(inner, styles[2], mode="share")
    assert blend(inner, styles[2], mode="share", share_bias=1.5).share_bias == 1.5


@pytest.mark.parametrize("weights", ["1, 1", "3, 1", "0.25, 0.25", "2, 0"])
@pytest.mark.parametrize("masks", [{}, {1: left()}, {1: left(), 2: top()}])
def test_an_inner_blend_keeps_its_own_proportions(styles, weights, masks):
    """What the outer gives its inner blend is shared out as the inner blend alone would."""
    inner = blend(styles[0], styles[1], weights=weights, masks=masks)
    outer = blend(inner, styles[2], weights="0.5, 0.5")
    assert torch.allclose(shares(outer)[:2], 0.5 * shares(inner), atol=1e-6)
    assert torch.allclose(shares(outer)[2], torch.full((64,), 0.5))


def test_masks_of_other_shapes_than_comfyuis_own(styles):
    expected = shares(blend(styles[0], styles[1], masks={1: left()}))
    for mask in (left()[0], left()[:, None]):
        assert torch.equal(shares(blend(styles[0], styles[1], masks={1: mask})), expected)
    with pytest.raises(ValueError, match=r"mask_1 has shape \(1, 16, 16, 3\); a MASK \(batch, height, width\)"):
        blend(styles[0], masks={1: torch.ones(1, 16, 16, 3)})
    with pytest.raises(ValueError, match="source_mask_1 has shape"):
        blend(styles[0], source_masks={1: torch.ones(16)})


@pytest.mark.parametrize("what", ["masks", "source_masks"])
def test_masks_that_do_not_fit_each_other_are_refused(styles, what):
    inner = blend(styles[0], **{what: {1: left(16)}})
    with pytest.raises(ValueError, match=f"{what.replace('_', ' ')} of a blend inside a blend must have the same size"):
        blend(inner, **{what: {1: left(8)}})
    inner = blend(styles[0], **{what: {1: left().expand(2, -1, -1)}})
    with pytest.raises(ValueError, match=r"3 .* outside and 2 .* inside a blend cannot be paired"):
        blend(inner, **{what: {1: left().expand(3, -1, -1)}})
