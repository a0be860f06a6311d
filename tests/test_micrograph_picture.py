"""From numbers to a picture: channels, contrast, pseudo-colour, size, and the way back."""

import json

import numpy as np
import pytest
from cellstyle.micrograph.canvas import FILLS, SIZES, Fit, fit, from_metadata, plan, resize, restore, to_metadata
from cellstyle.micrograph.choices import choose_channels, choose_planes
from cellstyle.micrograph.contrast import percentile_limits, stretch, type_limits
from cellstyle.micrograph.luts import COLOURS, MAPS, apply_lut, composite
from cellstyle.micrograph.projection import project
from cellstyle.micrograph.source import Channel, Source
from hypothesis import given
from hypothesis import strategies as st

SIDES = st.integers(1, 90)


def source(*names):
    return Source("s.tif", "TIFF", 4, 4, np.dtype("u1"), lambda c, t, z: None, [Channel(n) for n in names])


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("auto", [0, 1, 2, 3]),
        ("all", [0, 1, 2, 3]),
        ("2", [1]),
        (" 3, 1 ", [2, 0]),
        ("2-4", [1, 2, 3]),
        ("gfp,1", [1, 0]),
        ("1,1", [0]),
        ("cy-3", [2]),
    ],
)
def test_channels_are_chosen_by_number_range_or_name(text, chosen):
    assert choose_channels(text, source("DAPI", "GFP", "Cy-3", "Cy5")) == chosen


def test_auto_shows_three_of_many_channels_and_all_shows_all():
    many = source(*(f"marker {n}" for n in range(40)))
    assert choose_channels("auto", many) == [0, 1, 2]
    assert len(choose_channels("all", many)) == 40


@pytest.mark.parametrize("text", ["0", "5", "RFP", "1-9", "3-2", "1;2", "-1", "²", "1,,2", "1,", ","])
def test_a_channel_that_is_not_there_is_quoted(text):
    with pytest.raises(ValueError, match=r"is not in s\.tif, which has 1 \(DAPI\)"):
        choose_channels(text, source("DAPI", "GFP", "Cy-3", "Cy5"))


def test_planes_are_counted_from_one_and_zero_is_the_middle():
    assert choose_planes("single", 0, 5, "z", "f", 9) == [2]
    assert choose_planes("single", 5, 5, "z", "f", 9) == [4]
    assert choose_planes("frames", 2, 5, "z", "f", 3) == [1, 2, 3]
    assert choose_planes("max", 3, 5, "z", "f", 3) == [0, 1, 2, 3, 4]
    assert choose_planes("single", 7, 1, "z", "f", 3) == [0]
    with pytest.raises(ValueError, match="5 planes along z, number 6"):
        choose_planes("single", 6, 5, "z", "f", 3)


def test_two_values_one_step_of_16_bits_apart_come_out_apart():
    values = np.array([30000, 30001], np.uint16)
    full = stretch(values, *type_limits(values.dtype, None))
    assert full[1] > full[0] and full[1] - full[0] == pytest.approx(1 / 65535, rel=0.01)
    narrow = stretch(values, *percentile_limits(values, 0, 100))
    assert narrow.tolist() == [0.0, 1.0]


@given(st.lists(st.integers(0, 65535), min_size=2, max_size=60), st.floats(0, 49), st.floats(51, 100))
def test_contrast_keeps_the_order_of_values_and_stays_in_range(values, low, high):
    values = np.array(values, np.uint16)
    shown = stretch(values, *percentile_limits(values, low, high))
    assert shown.min() >= 0 and shown.max() <= 1
    order = np.argsort(values, kind="stable")
    assert (np.diff(shown[order]) >= 0).all()


def test_percentiles_are_numpys_and_ignore_what_is_not_finite():
    values = np.random.default_rng(0).normal(size=1000)
    assert percentile_limits(values, 1, 99) == pytest.approx(tuple(np.percentile(values, (1, 99))))
    with_gaps = np.append(values, [np.nan, np.inf, -np.inf])
    assert percentile_limits(with_gaps, 1, 99) == percentile_limits(values, 1, 99)
    assert percentile_limits(np.array([np.nan]), 1, 99) is None
    with pytest.raises(ValueError, match=r"low .* must be below high"):
        percentile_limits(values, 50, 50)


def test_a_flat_picture_is_black_and_rare_bright_points_stay():
    assert (stretch(np.full((4, 4), 7, np.uint8), 7, 7) == 0).all()
    points = np.zeros(10000, np.uint16)
    points[:3] = 500
    assert stretch(points, *percentile_limits(points, 0.1, 99.9)).sum() == 3


def test_huge_floats_do_not_overflow():
    values = np.array([-1e308, 0, 1e308])
    assert np.isfinite(stretch(values, -1e308, 1e308)).all()


@pytest.mark.parametrize("name", [*COLOURS, *MAPS, "#ff8800"])
def test_every_lookup_table_goes_from_dark_to_bright(name):
    colours = apply_lut(np.linspace(0, 1, 256, dtype=np.float32), name)
    light = colours @ np.array([0.2126, 0.7152, 0.0722])
    assert colours.shape == (256, 3) and colours.min() >= 0 and colours.max() <= 1
    assert light[0] < 0.1 and (np.diff(light) > -0.012).all() and light[-1] == light.max()


def test_channels_are_added_like_light():
    one = np.array([[1.0, 0.0, 1.0]], np.float32)
    two = np.array([[0.0, 1.0, 1.0]], np.float32)
    mixed = composite([one, two], ["green", "magenta"])
    assert mixed[0].tolist() == [[0, 1, 0], [1, 0, 1], [1, 1, 1]]


def test_projections_leave_missing_values_out():
    planes = [np.array([[np.nan, 1.0]]), np.array([[3.0, 5.0]])]
    assert project(planes, "max").tolist() == [[3, 5]]
    assert project(planes, "min").tolist() == [[3, 1]]
    assert project(planes, "mean").tolist() == [[3, 3]]


@given(SIDES, SIDES, st.sampled_from(SIZES), st.integers(1, 120), st.integers(1, 64), st.sampled_from(FILLS))
def test_the_canvas_has_the_planned_size_and_goes_back_to_the_source_size(width, height, size, longest, multiple, fill):
    way = plan(width, height, size, longest, multiple)
    image = np.random.default_rng(0).random((height, width, 3)).astype(np.float32)
    fitted = fit(image, way, fill)
    assert fitted.shape == (way.output_height, way.output_width, 3) and fitted.dtype == np.float32
    assert fitted.min() >= 0 and fitted.max() <= 1
    if size.endswith("pad"):
        assert way.output_width % multiple == 0 and way.output_height % multiple == 0
        assert way.output_width - way.scaled_width < multiple
    if size.startswith("resize"):
        assert max(way.scaled_width, way.scaled_height) == longest
    back = restore(fitted, way)
    assert back.shape == image.shape
    if not size.startswith("resize"):
        assert np.array_equal(back, image)


@given(SIDES, SIDES, st.integers(2, 4))
def test_an_enlarged_picture_loses_its_padding_in_proportion(width, height, factor):
    way = plan(width, height, "pad", 0, 8)
    enlarged = np.zeros((way.output_height * factor, way.output_width * factor, 3), np.float32)
    assert restore(enlarged, way).shape == (height, width, 3)
    assert restore(enlarged, way, original=False).shape == (height * factor, width * factor, 3)


def test_shrinking_is_antialiased():
    stripes = np.tile(np.array([0.0, 1.0], np.float32), 64)[None, :, None].repeat(128, 0).repeat(3, 2)
    assert np.ptp(resize(stripes, 32, 32)[4:-4, 4:-4]) < 0.1


def test_the_way_back_survives_json():
    way = plan(100, 50, "resize and pad", 64, 8)
    assert from_metadata(json.dumps({"transform": to_metadata(way)})) == way == Fit(100, 50, 64, 32, 64, 32)


@pytest.mark.parametrize(
    "text",
    ["", "not json", "[]", "{}", '{"transform": 3}', '{"transform": {}}', "[" * 100000]
    + [
        json.dumps({"transform": {**to_metadata(plan(10, 10, "keep", 0, 1)), "source_width": bad}})
        for bad in (0, -1, 1.5, "10", None, True, 10**9)
    ],
    ids=lambda text: text[:20],
)
def test_metadata_that_does_not_lead_back_is_refused(text):
    with pytest.raises(ValueError, match="metadata"):
        from_metadata(text)
