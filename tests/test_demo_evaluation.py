"""The rulers that the demo model is measured with: each tells what it should tell apart."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from places import ROOT

sys.path += [str(ROOT / "tools" / "demo_model"), str(ROOT / "tools" / "bench")]
WHY = "the evaluation needs scikit-image, which tools/host.py installs"
evaluate_reference, evaluate_style = (
    pytest.importorskip(name, reason=WHY) for name in ("evaluate_reference", "evaluate_style")
)


@pytest.fixture
def cell() -> np.ndarray:
    """A bright disc on a field with a little grain, (64, 64, 3)."""
    y, x = np.mgrid[:64, :64]
    disc = (np.hypot(y - 40, x - 40) < 14)[..., None] * np.ones(3)
    return 0.3 + 0.4 * disc + 0.01 * np.random.default_rng(0).standard_normal((64, 64, 1))


def test_a_flat_field_is_one_and_speckle_in_it_is_told(cell):
    assert evaluate_style.flat_contrast(cell, cell) == pytest.approx(1)
    assert evaluate_style.flat_contrast(cell, 0.5 * cell + 0.2) == pytest.approx(0.5)
    speckled = cell + 0.1 * np.random.default_rng(1).standard_normal(cell.shape[:2])[..., None]
    assert evaluate_style.flat_contrast(cell, speckled) > 4


def test_reading_is_what_a_wrong_reference_costs():
    assert evaluate_reference.wrong_minus_right({"own": 0.2, "right": 0.2, "wrong": 0.4}) == pytest.approx(1)
    assert evaluate_reference.wrong_minus_right({"own": 0.2, "right": 0.2, "wrong": 0.2}) == 0


def test_judging_names_the_style_that_is_nearest(cell):
    """Both rulers on stripes and dots: the transfer has the style's texture, the start alone has the content's."""
    rng = np.random.default_rng(2)
    stripes = np.repeat(np.repeat((np.arange(64) % 6 < 3)[:, None], 64, 1)[..., None], 3, 2).astype(float)
    dots = np.repeat((rng.random((64, 64, 1)) > 0.9), 3, 2).astype(float)
    styles, contents = {"stripes": stripes, "dots": dots}, {"cell": cell}

    class Squares:
        def style_distance(self, x, y):
            return float(np.square(x - y).mean())

    made = {("cell", "stripes"): (0.9 * stripes, cell), ("cell", "dots"): (0.9 * dots, cell)}
    found = evaluate_style.judge(made, contents, styles, Squares())
    assert found["texture_named"] == found["perceptual_named"] == 2
    assert found["perceptual_named_adain"] == 1  # one picture cannot be nearest to both
    assert found["texture"] < found["texture_adain"] and found["perceptual"] < found["perceptual_adain"]


def test_calls_are_counted_as_the_paper_counts_them():
    import style_quality

    calls = {way.name: way.calls for way in style_quality.WAYS}
    assert calls["injection, the paper's"] == 150 and calls["injection, noise-preserving start, AdaIN rate 0.4"] == 33
