"""LatentAdaIN gives the content the style's statistics, and nothing else."""

from __future__ import annotations

import doctest

import pytest
import run_nodes as nodes
import torch
from cellstyle.equations import adain as adain_module
from cellstyle.equations.adain import adain, pair_batches, patch_adain
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = st.integers(2, 20)


@settings(max_examples=40, deadline=None)
@given(h=SIZES, w=SIZES, hs=SIZES, ws=SIZES, channels=st.sampled_from([1, 4, 16]), seed=st.integers(0, 99))
def test_the_result_has_the_styles_mean_and_spread_for_any_two_sizes(h, w, hs, ws, channels, seed):
    generator = torch.Generator().manual_seed(seed)
    content = torch.randn(2, channels, h, w, generator=generator) * 3 + 1
    style = torch.randn(1, channels, hs, ws, generator=generator) * 0.5 - 2
    out = adain(content, style)
    assert out.shape == content.shape
    assert torch.allclose(out.mean((2, 3)), style.mean((2, 3)).expand(2, -1), atol=1e-4)
    assert torch.allclose(out.std((2, 3)), style.std((2, 3)).expand(2, -1), atol=1e-4)
    # the picture itself is only scaled: correlation with the content stays 1
    a, b = (out - out.mean((2, 3), True)), (content - content.mean((2, 3), True))
    correlation = (a * b).sum((2, 3)) / (a.norm(dim=(2, 3)) * b.norm(dim=(2, 3)))
    assert torch.allclose(correlation, torch.ones_like(correlation), atol=1e-4)


def test_images_of_a_batch_do_not_mix():
    content, style = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 6, 10)
    together = adain(content, style)
    for i in range(3):
        assert torch.equal(together[i : i + 1], adain(content[i : i + 1], style[i : i + 1]))


CONSTANTS = (0.3, -0.7, 1e-3, 123.4, 1 / 3, 0.0, 6e4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("patch_size", [None, 3, 8])
def test_a_flat_channel_becomes_the_styles_mean_in_every_precision(dtype, patch_size):
    """Rounding gives a constant a spread of 1e-8, which must not be taken for a picture: .3 once landed at 39."""
    flat = torch.tensor(CONSTANTS, dtype=dtype).view(1, -1, 1, 1).expand(1, -1, 24, 20)
    style = torch.randn(1, 1, 16, 10, generator=torch.Generator().manual_seed(1)).expand(1, len(CONSTANTS), 16, 10)
    style = style - 0.6
    out = adain(flat, style) if patch_size is None else patch_adain(flat, style, patch_size)
    wanted = adain(torch.zeros_like(flat).double(), style.double())
    if patch_size is not None:
        wanted = patch_adain(torch.zeros_like(flat).double(), style.double(), patch_size)
    assert out.dtype == dtype
    assert torch.allclose(out.double(), wanted, atol={torch.float16: 2e-3, torch.bfloat16: 2e-2}.get(dtype, 1e-5))


def test_a_faint_picture_is_no_flat_channel():
    """One thousandth of the channel's own value is still a picture, in every precision that can hold it."""
    picture = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    style = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(adain(5 + 5e-3 * picture, style), adain(picture, style), atol=2e-3)


def test_a_flat_part_of_a_picture_becomes_the_styles_mean_there():
    """Cells on black: patches without spread beside patches with it."""
    picture = torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(4)) + 0.3
    picture[..., :40] = 0.3
    style = torch.randn(1, 2, 64, 64, generator=torch.Generator().manual_seed(5)) * 0.8 - 0.6
    out = patch_adain(picture, style, 8)
    assert out.abs().max() < 10
    away = out[..., :28]  # no patch here meets one with a spread
    means = patch_adain(torch.zeros_like(picture), style, 8)[..., :28]
    assert torch.allclose(away, means, atol=1e-4)


def test_half_precision_is_computed_in_full():
    content = torch.randn(2, 4, 12, 16, generator=torch.Generator().manual_seed(6)) * 300
    style = torch.randn(1, 4, 9, 9, generator=torch.Generator().manual_seed(7)) * 200 + 30
    for method in (adain, lambda c, s: patch_adain(c, s, 5)):
        exact = method(content.half().double(), style.half().double())
        assert torch.allclose(method(content.half(), style.half()).double(), exact, rtol=1e-3, atol=0.1)


def test_a_single_pixel_becomes_the_style_s_mean():
    assert adain(torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 3.0)).item() == 3.0


def test_the_examples_in_the_docstrings_run():
    results = doctest.testmod(adain_module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted and not results.failed


def test_one_patch_is_the_global_adain():
    content, style = torch.randn(2, 4, 12, 20), torch.randn(2, 4, 16, 9)
    assert torch.equal(patch_adain(content, style, 20), adain(content, style))


def test_patches_take_the_styles_statistics_from_the_same_place():
    style = torch.cat([torch.randn(1, 4, 16, 16) - 5, torch.randn(1, 4, 16, 16) + 5], dim=3)
    out = patch_adain(torch.randn(1, 4, 32, 32), style, 8)
    assert out[..., :8].mean() < -3 < 3 < out[..., -8:].mean()


def test_patches_leave_no_seam():
    # a ramp as style: hard patches would jump at their borders, blended ones follow the ramp
    ramp = torch.linspace(-3, 3, 64).expand(1, 1, 64, 64) + 0.01 * torch.randn(1, 1, 64, 64)
    content = torch.zeros(1, 1, 64, 64) + 1e-3 * torch.randn(1, 1, 64, 64)
    out = patch_adain(content, ramp, 16)
    row = torch.nn.functional.avg_pool2d(out, (64, 1)).flatten()
    steps = (row[1:] - row[:-1]).abs()
    assert steps.max() < 4 * steps.mean() + 0.1


def test_strength_moves_all_the_way_from_content_to_style():
    content, style = nodes.latent(1, 4, 8, 8, seed=1), nodes.latent(1, 4, 8, 8, seed=2)
    style["samples"] = style["samples"] * 2 + 3
    target = style["samples"].mean((2, 3))
    distances = []
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        out = nodes.adain(content, style, strength=strength)["samples"]
        distances.append(float((out.mean((2, 3)) - target).norm()))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-4
    assert torch.equal(nodes.adain(content, style, strength=0.0)["samples"], content["samples"])


def test_video_latents_and_any_channel_count_work():
    content, style = {"samples": torch.randn(1, 16, 5, 8, 6)}, {"samples": torch.randn(1, 16, 1, 4, 4)}
    for mode in ("global", "patch"):
        out = nodes.adain(content, style, mode=mode, patch_size=4)["samples"]
        assert out.shape == (1, 16, 5, 8, 6)
        alone = nodes.adain({"samples": content["samples"][:, :, 2]}, {"samples": style["samples"][:, :, 0]}, mode=mode,
                            patch_size=4)["samples"]  # fmt: skip
        assert torch.allclose(out[:, :, 2], alone, atol=1e-5)


@pytest.mark.parametrize(("n", "m", "count"), [(1, 1, 1), (3, 1, 3), (1, 3, 3), (3, 3, 3)])
def test_pairing(n, m, count):
    a, b = pair_batches(torch.zeros(n, 4, 2, 2), torch.zeros(m, 4, 3, 3))
    assert len(a) == len(b) == count


def test_other_counts_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match="2 contents and 3 styles"):
        pair_batches(torch.zeros(2, 4, 2, 2), torch.zeros(3, 4, 2, 2))


@pytest.mark.parametrize(
    ("content", "style", "message"),
    [
        (torch.zeros(1, 4, 8, 8), torch.zeros(1, 16, 8, 8), "different models"),
        (torch.zeros(1, 4, 8, 8), torch.zeros(1, 4, 1, 8, 8), "different models"),
        (torch.full((1, 4, 8, 8), float("nan")), torch.zeros(1, 4, 8, 8), "NaN"),
        (torch.zeros(0, 4, 8, 8), torch.zeros(1, 4, 8, 8), "empty"),
        (torch.zeros(1, 4, 3, 8, 8), torch.zeros(1, 4, 2, 8, 8), "frames"),
    ],
)
def test_latents_that_do_not_fit_are_refused_in_words(content, style, message):
    with pytest.raises(ValueError, match=message):
        nodes.adain({"samples": content}, {"samples": style})
