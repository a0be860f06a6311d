"""Query preservation follows its curve from start to end."""

from __future__ import annotations

import pytest
from cellstyle.equations.query_preservation import CURVES, gamma_at


@pytest.mark.parametrize("curve", [c for c in CURVES if c != "constant"])
def test_a_curve_goes_from_start_to_end_without_turning_back(curve):
    values = [gamma_at(i / 20, 0.9, 0.3, curve) for i in range(21)]
    assert values[0] == pytest.approx(0.9)
    assert values[-1] == pytest.approx(0.3)
    assert values == sorted(values, reverse=True)


def test_constant_ignores_the_end():
    assert {gamma_at(p, 0.75, 0.1, "constant") for p in (0, 0.5, 1)} == {0.75}


def test_sqrt_leaves_fast_and_cosine_leaves_slowly():
    early = {curve: gamma_at(0.1, 1.0, 0.0, curve) for curve in CURVES}
    assert early["sqrt"] < early["linear"] < early["cosine"] < early["constant"]


def test_an_unknown_curve_is_refused():
    with pytest.raises(ValueError, match="zigzag"):
        gamma_at(0.5, 1, 0, "zigzag")
