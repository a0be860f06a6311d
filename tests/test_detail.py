"""Restore Micrograph Size with the original connected: styled small, sharp at full size."""

import json

import numpy as np
import pytest
import torch
from cellstyle.micrograph.canvas import plan, resize, to_metadata
from cellstyle.micrograph.detail import add_detail, slope
from cellstyle.nodes.restore_size import CellStyleRestoreSize
from scipy.ndimage import gaussian_filter
from skimage import data

TISSUE = (data.immunohistochemistry()[:480, :512] / 255).astype(np.float32)
WAY = plan(512, 480, "resize and pad", 128, 64)
METADATA = json.dumps({"transform": to_metadata(WAY)})
STYLES = {
    "faint": lambda x: 0.3 + 0.4 * x,
    "tinted": lambda x: x * np.array([0.9, 0.6, 0.4], np.float32) + np.array([0, 0.1, 0.2], np.float32),
    "negative": lambda x: 0.9 - 0.7 * x,
}


def shrunk(style) -> np.ndarray:
    """What a model at 128 pixels would give back, padding and all."""
    small = style(resize(TISSUE, WAY.scaled_width, WAY.scaled_height))
    return np.pad(small, ((0, WAY.output_height - small.shape[0]), (0, 0), (0, 0)))


def restored(style, original=TISSUE, **choices) -> np.ndarray:
    image = torch.from_numpy(shrunk(style))[None]
    original = None if original is None else torch.from_numpy(original)[None]
    return CellStyleRestoreSize.execute(image, METADATA, "original size", original, **choices).result[0][0].numpy()


def error(picture, style) -> float:
    return float(np.sqrt(np.mean((picture - style(TISSUE)) ** 2)))


def fine_energy(picture) -> float:
    return float((picture - gaussian_filter(picture, (2, 2, 0))).std())


@pytest.mark.parametrize("name", STYLES)
def test_guided_detail_brings_back_what_the_style_would_have_made_of_it(name):
    style = STYLES[name]
    blurred, sharp = restored(style, original=None), restored(style)
    assert sharp.shape == TISSUE.shape
    assert error(sharp, style) < 0.75 * error(blurred, style)
    assert fine_energy(blurred) < 0.75 * fine_energy(style(TISSUE)) < fine_energy(sharp) * 0.9


def test_laplacian_detail_is_the_originals_own():
    sharp, half = (
        restored(lambda x: x, detail="laplacian"),
        restored(lambda x: x, detail="laplacian", detail_amount=0.5),
    )
    assert (
        error(sharp, lambda x: x) < error(half, lambda x: x) < error(restored(lambda x: x, original=None), lambda x: x)
    )


@pytest.mark.parametrize("mode", ["guided", "laplacian"])
def test_the_amount_turns_it_up_and_zero_is_off(mode):
    off = restored(STYLES["faint"], original=None)
    energies = [fine_energy(restored(STYLES["faint"], detail=mode, detail_amount=a)) for a in (0.0, 0.5, 1.0, 2.0)]
    assert energies == sorted(energies) and energies[0] < energies[1]
    np.testing.assert_array_equal(restored(STYLES["faint"], detail=mode, detail_amount=0.0), off)


def test_colour_and_large_areas_stay_the_styles():
    style = STYLES["tinted"]
    plain, sharp = restored(style, original=None), restored(style)
    np.testing.assert_allclose(gaussian_filter(sharp, (12, 12, 0)), gaussian_filter(plain, (12, 12, 0)), atol=0.01)
    difference = sharp - plain
    inside = (sharp > 0).all(-1) & (sharp < 1).all(-1)
    np.testing.assert_allclose(difference[inside].std(axis=-1), 0, atol=1e-6)  # all channels alike: light, no colour


def test_nothing_is_added_where_nothing_was_lost():
    way = json.dumps({"transform": to_metadata(plan(512, 480, "pad", 0, 64))})
    image = torch.from_numpy(np.pad(1 - TISSUE, ((0, 32), (0, 0), (0, 0))))[None]
    original = torch.from_numpy(TISSUE)[None]
    alone, beside = (CellStyleRestoreSize.execute(image, way, "original size", o).result[0] for o in (None, original))
    assert torch.equal(alone, beside)


def test_flat_places_have_no_slope_and_slopes_have_the_styles_sign():
    x = gaussian_filter(np.random.default_rng(0).random((64, 64)), 1.5)
    x = (x - x.min()) / np.ptp(x)
    assert slope(x, x).mean() > 0.8 and slope(x, 1 - x).mean() < -0.8
    assert np.abs(slope(np.full((64, 64), 0.4), x)).max() < 1e-9


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_and_transparent_pictures_too(channels):
    large = np.full((40, 40, channels), 0.5, np.float32)
    detailed = add_detail(large, large[::4, ::4], TISSUE[:40, :40], "laplacian", 1.0)
    assert detailed.shape == large.shape and detailed.dtype == np.float32
    assert not np.array_equal(detailed[..., 0], large[..., 0])
    if channels == 4:
        assert np.array_equal(detailed[..., 3], large[..., 3])


def test_what_does_not_fit_is_said():
    image = torch.from_numpy(shrunk(STYLES["faint"]))[None]
    with pytest.raises(
        ValueError, match="original has 100 x 90 pixels, and the file that metadata describes 512 x 480"
    ):
        CellStyleRestoreSize.execute(image, METADATA, "original size", torch.zeros(1, 90, 100, 3))
    with pytest.raises(ValueError, match="2 originals do not fit 1 images"):
        CellStyleRestoreSize.execute(image, METADATA, "original size", torch.zeros(2, 480, 512, 3))
    with pytest.raises(ValueError, match="original is not a batch"):
        CellStyleRestoreSize.execute(image, METADATA, "original size", torch.zeros(480, 512, 3))
