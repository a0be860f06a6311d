"""The noise-preserving start changes the picture inside the noise, and not the noise."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.engine.inverted_latent import Inversion, inversion_of, with_inversion
from cellstyle.equations import noise_preserving_adain
from cellstyle.equations.adain import adain
from cellstyle.equations.noise_preserving_adain import bounded_adain, noise_preserving_start

MODE = "noise-preserving"


def picture(*shape: int, seed: int, spread: float = 1.0, mean: float = 0.0) -> torch.Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x * spread + mean


def inverted(clean: torch.Tensor, seed: int, sigma: float = 13.0, signal: float = 1.0) -> dict:
    """A LATENT that was inverted to sigma, its noise weaker in one half, as inversions have it."""
    noise = sigma * picture(*clean.shape, seed=seed)
    noise[..., : clean.shape[-1] // 2] *= 0.8
    sigmas = torch.tensor([sigma, 1.0, 0.0])
    return with_inversion({"samples": clean}, Inversion(sigmas, "ddim", "", clean, signal * clean + noise, signal))


def noise_of(latent: dict, clean: torch.Tensor, signal: float = 1.0) -> torch.Tensor:
    return latent["samples"] - signal * clean


@pytest.mark.parametrize("signal", [1.0, 0.25])
@pytest.mark.parametrize(("contents", "styles"), [(2, 1), (2, 2), (1, 3)])
def test_the_clean_latent_gets_the_styles_statistics_and_the_noise_stays(signal, contents, styles):
    z = picture(contents, 4, 24, 16, seed=1, spread=2, mean=1)
    z_style = picture(styles, 4, 9, 20, seed=2, spread=0.5, mean=-3)
    content, style = inverted(z, 3, signal=signal), inverted(z_style, 4, signal=signal)
    out = nodes.adain(content, style, mode=MODE)
    assert len(out["samples"]) == max(contents, styles)
    wanted = adain(z, z_style)  # the style has less spread everywhere, so the bound does nothing
    assert torch.allclose(noise_of(out, wanted, signal), noise_of(content, z, signal).expand_as(wanted), atol=1e-4)
    assert torch.allclose(inversion_of(out).clean, wanted, atol=1e-5)
    assert inversion_of(out).inverted is out["samples"]


def test_a_spread_is_lowered_and_never_raised():
    z = picture(1, 2, 16, 16, seed=1)
    z[:, 1] *= 5
    out = bounded_adain(z, picture(1, 2, 8, 8, seed=2, spread=2, mean=7))
    for channel, spread in ((0, z[:, 0].std()), (1, out[:, 1].std())):
        assert torch.isclose(out[:, channel].std(), spread)
    assert float(out[:, 1].std()) < float(z[:, 1].std()) / 2
    assert torch.allclose(bounded_adain(torch.full((1, 1, 4, 4), 0.3), z[:, :1]), z[:, :1].mean().expand(1, 1, 4, 4))


def test_where_the_content_is_the_style_it_is_the_papers_and_changes_nothing():
    latent = inverted(picture(1, 4, 16, 16, seed=1, spread=3, mean=1), 2)
    paper, ours = nodes.adain(latent, latent), nodes.adain(latent, latent, mode=MODE)
    assert torch.allclose(ours["samples"], latent["samples"], atol=1e-5)
    assert torch.allclose(ours["samples"], paper["samples"], atol=1e-4)


def test_strength_moves_from_the_content_to_the_style():
    z, z_style = picture(1, 4, 16, 16, seed=1), picture(1, 4, 16, 16, seed=2, spread=0.5, mean=2)
    content, style = inverted(z, 3), inverted(z_style, 4)
    ends = [nodes.adain(content, style, strength=s, mode=MODE)["samples"] for s in (0.0, 0.25, 1.0)]
    assert torch.equal(ends[0], content["samples"])
    assert torch.allclose(ends[1], torch.lerp(ends[0], ends[2], 0.25), atol=1e-4)


def test_high_pass_turns_the_picture_down_and_not_the_noise():
    light = 3 * torch.linspace(0, 2 * torch.pi, 33)[:32].sin()
    z = light + picture(1, 4, 32, 32, seed=1, spread=0.1)
    content = inverted(z, 2)
    out = nodes.LatentAdaIN.execute(content, content, 1.0, MODE, 16, 1.0, 0.2).result[0]
    clean = inversion_of(out).clean
    assert clean.mean((0, 1, 2)).std() < 0.3 * z.mean((0, 1, 2)).std()
    assert torch.allclose(noise_of(out, clean), noise_of(content, z), atol=1e-4)


def test_a_latent_that_was_scaled_after_its_inversion_works():
    content, style = inverted(picture(1, 4, 16, 16, seed=1), 2), inverted(picture(1, 4, 8, 8, seed=3, mean=4), 4)
    larger = torch.nn.functional.interpolate(content["samples"], (24, 24), mode="bilinear")
    out = nodes.adain({**content, "samples": larger}, style, mode=MODE)["samples"]
    shift = (out - larger).mean((2, 3))
    assert torch.allclose(shift, torch.full_like(shift, 4.0), atol=0.5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_type(dtype):
    x, z = picture(1, 4, 8, 8, seed=1, spread=13).to(dtype), picture(1, 4, 8, 8, seed=2).to(dtype)
    out = noise_preserving_start(x, z, bounded_adain(z, z + 2))
    assert out.dtype == dtype
    assert torch.allclose((out - x).float().mean(), torch.tensor(2.0), atol=0.1)


def test_the_examples_in_the_docstrings_run():
    import doctest

    results = doctest.testmod(noise_preserving_adain)
    assert results.attempted and not results.failed
