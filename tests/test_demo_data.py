"""The demo model's training pictures: drawn alike from a seed, every family its own, nothing from elsewhere."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from places import ROOT

sys.path.append(str(ROOT / "tools" / "demo_model"))
dataset = pytest.importorskip("dataset", reason="the generator needs scikit-image, which tools/host.py installs")

GROUPS = dataset.families()
DRAWN = {**GROUPS["contents"], **GROUPS["styles"]}
SIZE = 64


def picture(name: str, seed: int, height: int = SIZE, width: int = SIZE) -> np.ndarray:
    return {**DRAWN, **GROUPS["bundled"]}[name](np.random.default_rng(seed), height, width)


def test_the_families_are_those_that_the_card_names():
    assert set(GROUPS["contents"]) == {
        *("fluorescence", "tissue", "plant_cells", "tem_organelles", "tem_chloroplast", "golgi", "lone_cells")
    }
    assert set(GROUPS["styles"]) == {
        *("porcelain", "ink_wash", "impression", "mural", "durian", "woodblock"),
        *("mosaic", "stained_glass", "embroidery", "contours", "marbling", "halftone"),
    }
    # micrographs and textures of scikit-image, no photographs
    assert set(GROUPS["bundled"]) <= {"immunohistochemistry", "cell", "retina", "brick", "grass", "gravel"}
    assert {"immunohistochemistry", "cell"} <= set(GROUPS["bundled"])


@pytest.mark.parametrize("name", [*DRAWN, *GROUPS["bundled"]])
def test_a_seed_gives_one_picture_and_another_seed_another(name):
    first, again, other = picture(name, 3), picture(name, 3), picture(name, 4)
    assert first.shape == (SIZE, SIZE, 3) and first.dtype == np.float32
    assert first.min() >= 0 and first.max() <= 1 and np.isfinite(first).all()
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 0.01


@pytest.mark.parametrize("name", DRAWN)
def test_any_shape_can_be_drawn(name):
    assert picture(name, 5, 48, 80).shape == (48, 80, 3)


def test_no_two_families_draw_alike():
    """Random numbers of one seed, yet pictures apart by more than a third of their own contrast."""
    drawn = {name: picture(name, 7) for name in DRAWN}
    for one, other in itertools.combinations(drawn, 2):
        apart = np.sqrt(np.square(drawn[one] - drawn[other]).mean())
        assert apart > max(drawn[one].std(), drawn[other].std()) / 3, (one, other)


def test_shards_are_drawn_from_their_number_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "SIZE", 32)
    monkeypatch.setattr(dataset, "PER_SHARD", 6)
    shards = []
    for run in ("a", "b"):
        folder = tmp_path / run
        folder.mkdir()
        monkeypatch.setattr(dataset, "folder", lambda held_out, folder=folder: folder)
        shards.append([dict(np.load(dataset.draw_shard(index, held_out))) for index, held_out in ((0, 0), (1, 0))])
        assert not list(folder.glob("*.part"))
    for one, other in zip(*shards, strict=True):
        assert np.array_equal(one["pictures"], other["pictures"]) and np.array_equal(one["names"], other["names"])
    assert not np.array_equal(shards[0][0]["pictures"], shards[0][1]["pictures"])
