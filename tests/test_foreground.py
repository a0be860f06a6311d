"""Cells on black: the foreground is found, and every nucleus can still be told from what is around it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cellstyle.micrograph.compose import compose, pseudo_colour
from cellstyle.micrograph.foreground import METHODS, foreground
from cellstyle.nodes.compose import CellStyleCompose
from cellstyle.nodes.foreground import CellStyleForeground
from nuclei import COUNT, separation, stack

SIZE = 128


def scene(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A fluorescence picture (H, W, 3) and the label image of its 30 discs of unlike colours and brightness."""
    rng, rows, columns = np.random.default_rng(seed), *np.mgrid[:SIZE, :SIZE]
    picture, labels = rng.normal(0.02, 0.005, (SIZE, SIZE, 3)), np.zeros((SIZE, SIZE), int)
    for number in range(30):
        y, x = 12 + 22 * (number // 6), 12 + 20 * (number % 6)
        inside = np.hypot(rows - y, columns - x) < 6
        labels[inside] = number + 1
        picture[inside, number % 3] += rng.uniform(0.3, 0.95)
    return np.clip(picture, 0, 1).astype(np.float32), labels


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("background", ["dark", "light"])
def test_cells_of_every_colour_are_found_and_the_background_is_not(method, background):
    picture, labels = scene()
    picture = picture if background == "dark" else 1 - picture
    mask = foreground(picture, method, background=background)
    assert mask.dtype == np.float32 and set(np.unique(mask)) == {0, 1}
    found = [mask[labels == number].mean() for number in range(1, 31)]
    assert np.mean(np.array(found) > 0.5) >= (1 if method != "otsu" else 0.8)
    assert mask[labels == 0].mean() < 0.25  # a rim, as wide as the blur


def test_a_higher_level_keeps_less_and_smoothing_takes_specks_away():
    picture, _ = scene()
    areas = [foreground(picture, level=level).mean() for level in (0.5, 1.0, 2.0, 4.0)]
    assert areas == sorted(areas, reverse=True) and areas[0] > areas[-1]
    picture[3, 3] = 1
    assert foreground(picture, smoothing=0)[3, 3] == 1
    assert foreground(picture, smoothing=3)[3, 3] == 0


def test_feather_softens_the_edge_and_keeps_the_area():
    picture, _ = scene()
    hard, soft = foreground(picture), foreground(picture, feather=2)
    assert ((soft > 0.1) & (soft < 0.9)).mean() > 0
    assert soft.mean() == pytest.approx(hard.mean(), rel=0.05)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("method", METHODS)
def test_a_picture_without_contrast_has_no_foreground(value, method):
    assert foreground(np.full((16, 24, 3), value, np.float32), method).max() == 0


def test_the_node_gives_a_mask_for_each_picture():
    picture = torch.from_numpy(np.stack([scene(0)[0], scene(1)[0]]))
    mask = CellStyleForeground.execute(picture, "li", 1.0, 1.5, 0.0, "dark").result[0]
    assert mask.shape == (2, SIZE, SIZE)
    assert torch.equal(mask[1], torch.from_numpy(foreground(picture[1].numpy(), smoothing=1.5)))


def test_the_background_is_what_the_switch_says():
    content, labels = scene()
    styled = np.random.default_rng(1).uniform(0.4, 0.8, content.shape).astype(np.float32)
    mask = (labels > 0).astype(np.float32)
    for background, around in (("black", np.zeros_like(content)), ("styled", styled), ("content", content)):
        out = compose(content, styled, mask, background, brightness=0)
        assert np.allclose(out[labels == 0], around[labels == 0], atol=1e-6)
        assert np.allclose(out[labels > 0], styled[labels > 0], atol=1e-6)


def test_channels_stay_apart_where_the_content_gives_the_colours():
    content, labels = scene()
    styled = np.random.default_rng(1).uniform(0.4, 0.8, (*content.shape[:2], 1)).repeat(3, 2).astype(np.float32)
    out = compose(content, styled, (labels > 0).astype(np.float32), colours="content")
    for number in range(1, 31):
        mean = out[labels == number].mean(0)
        assert mean.argmax() == (number - 1) % 3
    assert np.allclose(pseudo_colour(np.zeros((2, 2, 3), np.float32)), 1)


def test_brightness_one_keeps_bright_cells_bright_in_any_style():
    content, labels = scene()
    inverted = np.clip(0.9 - 0.8 * content.max(2, keepdims=True), 0, 1).repeat(3, 2)  # the worst style: a negative
    inside = [compose(content, inverted, None, "styled", brightness=b)[labels > 0].mean() for b in (0.0, 0.5, 1.0)]
    around = [compose(content, inverted, None, "styled", brightness=b)[labels == 0].mean() for b in (0.0, 0.5, 1.0)]
    contrast = np.subtract(inside, around)
    assert contrast[0] < 0 < contrast[2] and list(contrast) == sorted(contrast)


def test_sizes_and_counts_of_the_compose_node():
    content = torch.rand(2, 24, 32, 3)
    styled, mask = torch.rand(1, 48, 64, 3), torch.ones(1, 12, 16)
    out = CellStyleCompose.execute(content, styled, "black", "styled", 0.0, 1.0, mask).result[0]
    assert out.shape == content.shape and float(out.min()) >= 0 and float(out.max()) <= 1
    with pytest.raises(ValueError, match="2 contents, 3 styled pictures cannot be put together"):
        CellStyleCompose.execute(content, torch.rand(3, 24, 32, 3), "black", "styled", 0.0, 1.0)


@pytest.mark.parametrize("bad", [torch.rand(3, 8, 8), torch.rand(0, 8, 8, 3), torch.full((1, 8, 8, 3), float("nan"))])
def test_what_is_no_picture_is_refused_in_words(bad):
    with pytest.raises(ValueError, match=r"^(image|content) (is .*Connect an IMAGE|contains NaN)"):
        CellStyleForeground.execute(bad, "li", 1.0, 1.0, 0.0, "dark")
    with pytest.raises(ValueError, match=r"^(image|content) (is .*Connect an IMAGE|contains NaN)"):
        CellStyleCompose.execute(bad, torch.rand(1, 8, 8, 3), "black", "styled", 0.0, 1.0)


def test_the_synthetic_stack_is_what_it_says():
    volume, labels = stack(160)
    assert (volume.dtype, volume.shape, labels.max()) == (np.uint16, (5, 3, 160, 160), COUNT)
    even = np.where((labels > 0)[..., None], 0.8, 0.2) + np.random.default_rng(0).normal(0, 0.05, (160, 160, 3))
    assert separation(even, labels).min() > 4
    assert separation(np.random.default_rng(0).random((160, 160, 3)), labels).mean() < 0.5
