"""Each metric agrees with the library or formula it cites, and ranks known changes as expected."""

import numpy as np
import pytest
from cellstyle.fidelity.edges import edge_agreement, find_edges
from cellstyle.fidelity.gradients import change_map, gradient_correlation
from cellstyle.fidelity.metrics import NUMBERS, measure
from cellstyle.fidelity.objects import _peaks, best_pairs, match_objects, segment
from cellstyle.fidelity.pictures import luminance, strongest_channel
from cellstyle.fidelity.similarity import SCALE_WEIGHTS, ms_ssim, ssim, ssim_maps
from cellstyle.fidelity.style import PROJECTIONS, SEED, colour_distance, texture_distance
from cellstyle.fidelity.wide_blur import wide_blur
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi
from scipy.ndimage import correlate, gaussian_filter
from scipy.stats import wasserstein_distance
from skimage import data
from skimage.color import rgb2lab
from skimage.feature import peak_local_max
from skimage.metrics import structural_similarity

TISSUE = data.immunohistochemistry()[::2, ::2] / 255.0
RNG = np.random.default_rng(0)


def blurred(picture, sigma):
    return gaussian_filter(picture, (sigma, sigma, 0))


def shuffled(picture):
    return RNG.permutation(picture.reshape(-1, 3)).reshape(picture.shape)


def discs(centres, radius=9, size=128, light=0.9, ground=0.2):
    y, x = np.mgrid[:size, :size]
    picture = np.full((size, size), ground)
    for cy, cx in centres:
        picture[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = light
    return picture


PLACES = [(20, 20), (20, 64), (25, 105), (64, 30), (70, 80), (105, 20), (108, 66), (100, 108)]


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(["noise", "flat", "black", "white"]), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_identical_pictures_of_any_size_score_exactly_one_and_zero(height, width, kind, seed):
    noise = np.random.default_rng(seed).random((height, width, 3))
    picture = {"noise": noise, "flat": noise * 0 + 0.37, "black": noise * 0, "white": noise * 0 + 1}[kind]
    numbers = measure(picture, picture.copy(), picture.copy()).numbers
    assert [numbers[key] for key in NUMBERS] == [1.0] * 7 + [0.0] * 2


def test_identical_tissue_scores_exactly_one_and_zero():
    numbers = measure(TISSUE, TISSUE.copy(), TISSUE.copy()).numbers
    assert [numbers[key] for key in NUMBERS] == [1.0] * 7 + [0.0] * 2


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_any_two_pictures_give_finite_numbers_in_range(height, width, seed):
    rng = np.random.default_rng(seed)
    measured = measure(rng.random((height, width, 3)), rng.random((height, width, 3)), rng.random((5, 7, 3)))
    for key in NUMBERS:
        value = measured.numbers[key]
        assert np.isfinite(value)
        assert (-1 if key in ("ssim", "gradient_correlation") else 0) <= value
        assert value <= (200 if key == "colour_distance" else 1)
    assert measured.change.min() >= 0 and measured.change.max() <= 1


@pytest.mark.parametrize(
    ("key", "better", "worse"),
    [(k, "blur 1", "blur 3") for k in ("ssim", "ms_ssim", "edge_f1", "gradient_correlation", "objects_matched")]
    + [(k, "blur 3", "shuffled") for k in ("ssim", "ms_ssim", "edge_f1", "gradient_correlation", "objects_matched")]
    + [(k, "shift 1", "shift 6") for k in ("ssim", "ms_ssim", "edge_f1", "gradient_correlation", "objects_matched")]
    + [(k, "shift 6", "shuffled") for k in ("ssim", "ms_ssim", "gradient_correlation", "objects_matched")],
)
def test_more_damage_scores_lower(key, better, worse):
    changed = {
        "blur 1": blurred(TISSUE, 1),
        "blur 3": blurred(TISSUE, 3),
        "shift 1": np.roll(TISSUE, 1, 1),
        "shift 6": np.roll(TISSUE, 6, 1),
        "shuffled": shuffled(TISSUE),
    }
    assert 1 > measure(TISSUE, changed[better]).numbers[key] > measure(TISSUE, changed[worse]).numbers[key]


def test_ssim_is_scikit_images():
    x, y = luminance(TISSUE), luminance(blurred(TISSUE, 1.3))
    want, whole = structural_similarity(
        x, y, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim(x, y) == pytest.approx(want, abs=1e-12)
    np.testing.assert_allclose(ssim_maps(x, y)[0], whole, atol=1e-10)


def test_ms_ssim_is_the_formula_of_wang_2003():
    def reference(x, y):
        product = 1.0
        for scale, weight in enumerate(SCALE_WEIGHTS):
            whole, structure = (part[5:-5, 5:-5].mean() for part in ssim_maps(x, y))
            product *= (whole if scale == 4 else structure) ** weight
            kernel = np.full((2, 2), 0.25)  # imfilter(ones(2)/4, 'symmetric'), then every second pixel
            x, y = (correlate(z, kernel, mode="reflect", origin=-1)[::2, ::2] for z in (x, y))
        return product

    x, y = luminance(TISSUE)[:251, :233], luminance(blurred(TISSUE, 1.3))[:251, :233]
    value, scales = ms_ssim(x, y)
    assert scales == 5 and value == pytest.approx(reference(x, y), abs=1e-12)


@pytest.mark.parametrize(("side", "scales"), [(176, 5), (175, 4), (88, 4), (44, 3), (22, 2), (21, 1), (1, 1)])
def test_small_pictures_use_fewer_scales_with_weights_that_add_up_to_one(side, scales):
    x = np.full((side, side), 0.2)
    value, used = ms_ssim(x, x + 0.5)
    assert used == scales
    weight = SCALE_WEIGHTS[scales - 1] / (sum(SCALE_WEIGHTS[:scales]) if scales < 5 else 1)
    assert value == pytest.approx(ssim(x, x + 0.5) ** weight)  # only brightness differs, at the last scale


def test_an_inverted_picture_keeps_edges_lines_and_objects_but_not_ssim():
    numbers = measure(TISSUE, 1 - TISSUE).numbers
    assert numbers["gradient_correlation"] == pytest.approx(1, abs=1e-6)
    assert numbers["edge_f1"] > 0.999
    assert numbers["objects_matched"] > 0.98
    assert numbers["ssim"] < 0


def test_recolouring_hardly_touches_structure_and_contrast_even_less():
    half = measure(TISSUE, 0.25 + TISSUE / 2).numbers
    assert half["gradient_correlation"] == pytest.approx(1, abs=1e-5)
    assert half["edge_f1"] > 0.99 and half["objects_matched"] > 0.95
    assert measure(TISSUE, TISSUE[..., [2, 0, 1]]).numbers["gradient_correlation"] > 0.9


def test_gradient_correlation_of_perpendicular_and_of_unrelated_lines():
    ramp = np.linspace(0, 1, 96)[:, None].repeat(96, 1)
    assert gradient_correlation(ramp, ramp.T) == pytest.approx(-1, abs=0.05)
    waves = 0.5 + 0.4 * np.sin(np.arange(96) / 3)[:, None].repeat(96, 1)
    assert gradient_correlation(waves, np.full_like(waves, 0.5)) == 0
    assert abs(gradient_correlation(RNG.random((128, 128)), RNG.random((128, 128)))) < 0.05


def test_the_change_map_lights_up_where_the_change_is():
    changed = TISSUE.copy()
    changed[60:120, 60:120] = changed[60:120, 60:120].mean((0, 1))
    where = change_map(luminance(TISSUE), luminance(changed))
    inside, outside = where[70:110, 70:110].mean(), np.delete(where, np.s_[45:135], axis=0).mean()
    assert inside > 0.15 and outside < 0.01


def test_edges_within_the_tolerance_count_and_no_further():
    square = np.zeros((64, 64))
    square[20:44, 20:44] = 1
    moved = np.roll(square, 3, axis=1)
    for tolerance in (3.0, 2.0):
        agreement = edge_agreement(square, moved, tolerance, 1.0)
        assert (agreement.f1 == 1) == (tolerance == 3)
        assert (agreement.lost.sum() == 0) == (tolerance == 3)
    assert edge_agreement(square, moved, 2, 1).f1 == pytest.approx(
        brute_force_f1(find_edges(square, 1), find_edges(moved, 1), 2)
    )


def brute_force_f1(a, b, tolerance):
    a, b = np.argwhere(a), np.argwhere(b)
    far = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    recall, precision = (far.min(1) <= tolerance).mean(), (far.min(0) <= tolerance).mean()
    return 2 * precision * recall / (precision + recall)


def test_precision_falls_with_new_edges_and_recall_with_lost_ones():
    two, one = discs(PLACES[:2]), discs(PLACES[:1])
    lost, new = edge_agreement(two, one, 2, 1.5), edge_agreement(one, two, 2, 1.5)
    assert lost.precision == 1 and lost.recall == pytest.approx(0.5, abs=0.05)
    assert new.recall == 1 and new.precision == pytest.approx(0.5, abs=0.05)
    nothing = np.full((64, 64), 0.5)
    assert edge_agreement(discs(PLACES, size=64), nothing, 2, 1.5).f1 == 0


@pytest.mark.parametrize("negative", [False, True])
def test_objects_are_counted_matched_lost_and_found_anew(negative):
    content, result = discs(PLACES), discs([*PLACES[1:], (45, 120)])
    found = match_objects(content, 1 - result if negative else result)
    assert (found.content_objects, found.result_objects, found.matched) == (8, 8, 7)
    assert found.fraction == 7 / 8 and found.f1 == pytest.approx(14 / 16)
    assert found.result_polarity == ("dark" if negative else "bright")


def test_touching_objects_are_told_apart():
    assert match_objects(discs([(40, 40), (40, 55)]), discs([(40, 40), (40, 55)])).content_objects == 2


def test_objects_in_one_picture_only_score_zero_and_in_none_one():
    nothing = np.full((128, 128), 0.5)
    assert match_objects(discs(PLACES), nothing).fraction == 0
    assert match_objects(nothing, discs(PLACES)).fraction == 0
    assert match_objects(nothing, nothing).fraction == 1


def test_specks_are_left_out():
    assert match_objects(discs(PLACES, radius=2), discs(PLACES, radius=2), least_area=60).content_objects == 0


def test_pairs_are_one_to_one_with_the_largest_total_overlap():
    a, b = np.zeros((1, 10), int), np.zeros((1, 10), int)
    a[0, :6], a[0, 6:] = 1, 2
    b[0, :4], b[0, 4:] = 1, 2
    pairs = {(x, y): iou for x, y, iou in best_pairs(a, b, 0.05)}
    assert pairs == {(1, 1): pytest.approx(4 / 6), (2, 2): pytest.approx(4 / 6)}
    assert best_pairs(a, b, 0.7) == []


@given(st.integers(0, 200))
@settings(max_examples=40, deadline=None)
def test_pairs_agree_with_a_brute_force_assignment(seed):
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, (12, 12)), rng.integers(0, 6, (12, 12))
    iou = np.zeros((6, 6))
    for i in range(1, 6):
        for j in range(1, 6):
            either = ((a == i) | (b == j)).sum()
            iou[i, j] = ((a == i) & (b == j)).sum() / either if either else 0
    iou[iou < 0.1] = 0
    rows, columns = linear_sum_assignment(iou, maximize=True)
    pairs = best_pairs(a, b, 0.1)
    assert sum(p[2] for p in pairs) == pytest.approx(iou[rows, columns].sum())
    assert len({p[0] for p in pairs}) == len({p[1] for p in pairs}) == len(pairs)


def test_colour_distance_is_the_mean_of_scipys_wasserstein_distance_over_directions():
    x, y = RNG.random((20, 30, 3)), RNG.random((30, 20, 3)) ** 2
    directions = np.random.default_rng(SEED).normal(size=(PROJECTIONS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    a, b = rgb2lab(x).reshape(-1, 3), rgb2lab(y).reshape(-1, 3)
    want = np.mean([wasserstein_distance(a @ d, b @ d) for d in directions])
    assert colour_distance(x, y) == pytest.approx(want, rel=1e-9)


def test_colour_distance_ignores_where_colours_are_and_grows_with_how_far_they_are():
    assert colour_distance(shuffled(TISSUE), TISSUE) < 0.5
    near, far = (colour_distance(np.clip(TISSUE + d, 0, 1), TISSUE) for d in (0.05, 0.2))
    assert 0.5 < near < far
    assert colour_distance(TISSUE[:100, :77], TISSUE) < colour_distance(np.zeros((9, 9, 3)), TISSUE)


def test_texture_distance_ignores_brightness_and_contrast_and_notices_grain():
    assert texture_distance(0.3 + TISSUE * 0.4, TISSUE) < 0.05
    fine, coarse = blurred(TISSUE, 1), blurred(TISSUE, 3)
    assert texture_distance(fine, TISSUE) < texture_distance(coarse, TISSUE) <= 1
    assert texture_distance(TISSUE[:100], TISSUE[100:]) < texture_distance(shuffled(TISSUE), TISSUE)


def test_the_numbers_are_the_same_every_time():
    result = blurred(TISSUE, 1)
    assert measure(TISSUE, result, TISSUE[::-1]).numbers == measure(TISSUE, result, TISSUE[::-1]).numbers


def test_a_mask_hides_damage_outside_it():
    result = TISSUE.copy()
    result[:, 128:] = shuffled(TISSUE[:, 128:])
    mask = np.zeros(TISSUE.shape[:2])
    mask[:, :96] = 1
    inside, everywhere = measure(TISSUE, result, mask=mask).numbers, measure(TISSUE, result).numbers
    assert inside["ssim"] == 1 and inside["edge_recall"] > 0.99 and inside["gradient_correlation"] > 0.999
    assert all(everywhere[key] < 0.9 for key in ("ssim", "edge_f1", "gradient_correlation", "objects_matched"))


def test_a_result_of_another_size_is_resized_to_the_content_and_said_so():
    double = TISSUE.repeat(2, 0).repeat(2, 1)
    measured = measure(TISSUE, double)
    assert measured.facts["result_resized"] and measured.facts["result_size"] == [512, 512]
    assert measured.result.shape == TISSUE.shape and measured.numbers["ssim"] > 0.95


def fluorescence(nuclei: bool) -> np.ndarray:
    """Red cells on black, with or without pure blue nuclei."""
    picture = np.zeros((192, 192, 3))
    y, x = np.mgrid[:192, :192]
    for cy in range(24, 192, 48):
        for cx in range(24, 192, 48):
            picture[np.hypot(y - cy, x - cx) < 20, 0] = 0.1
            if nuclei:
                picture[np.hypot(y - cy, x - cx) < 9, 2] = 0.8
    return picture


def test_vanished_blue_nuclei_are_seen_by_every_measure():
    gone = measure(fluorescence(True), fluorescence(False))
    assert gone.numbers["ssim"] < 0.9 and gone.numbers["ms_ssim"] < 0.9
    assert gone.numbers["edge_recall"] < 0.75
    assert gone.numbers["gradient_correlation"] < 0.7
    assert gone.numbers["objects_matched"] < 0.2
    assert gone.change[24 - 12 : 24 + 12, 24 - 12 : 24 + 12].max() > 0.9


def test_nuclei_that_only_change_their_colour_are_kept():
    blue = fluorescence(True)
    golden = np.stack([np.maximum(blue[..., 0], blue[..., 2]), blue[..., 2] * 0.7, blue[..., 2] * 0], -1)
    numbers = measure(blue, golden).numbers
    assert numbers["objects_matched"] > 0.9 and numbers["edge_recall"] > 0.9


@pytest.mark.parametrize("picture", [TISSUE, fluorescence(True), np.clip(TISSUE * 0.6 + 0.1, 0, 1)])
def test_the_strongest_channel_of_a_negative_is_the_negative(picture):
    np.testing.assert_allclose(strongest_channel(1 - picture), 1 - strongest_channel(picture), atol=1e-12)
    grey = picture[..., :1].repeat(3, -1)
    np.testing.assert_allclose(strongest_channel(grey), picture[..., 0], atol=1e-12)


def nuclei_in_tissue() -> tuple[np.ndarray, np.ndarray]:
    """Dark tissue that fills a part of a bright picture, darker nuclei in it and beside it; and their centres."""
    y, x = np.mgrid[:256, :256]
    picture = np.full((256, 256), 0.95)
    picture[np.hypot(y - 100, x - 90) < 85] = 0.55
    centres = np.array([(cy, cx) for cy in range(28, 240, 34) for cx in range(28, 240, 34)])
    for cy, cx in centres:
        picture[np.hypot(y - cy, x - cx) < 7] -= 0.25
    return gaussian_filter(picture, 1), centres


@pytest.mark.parametrize("turn", [False, True])
def test_nuclei_are_objects_and_the_tissue_that_they_lie_in_is_none(turn):
    picture, centres = nuclei_in_tissue()
    labels, polarity = segment(1 - picture if turn else picture, "auto", 30)
    assert polarity == ("bright" if turn else "dark")
    at = labels[centres[:, 0], centres[:, 1]]
    assert (at > 0).mean() > 0.9 and len(set(at[at > 0])) == (at > 0).sum()
    assert np.bincount(labels.ravel())[1:].max() < 4 * np.pi * 7**2  # no tissue, which is 150 nuclei large


def test_a_net_of_membranes_is_no_object_and_a_nucleolus_does_not_take_a_nucleus_apart():
    rows, columns = np.mgrid[:384, :384]
    net = (np.minimum(rows % 64, columns % 64) < 3).astype(float)  # membranes around 36 cells
    y, x = rows % 64 - 34, columns % 64 - 34
    nuclei, nucleoli = np.hypot(y, x) < 18, np.hypot(y - 3, x - 4) < 5.5
    cells = gaussian_filter(np.where(nuclei, 0.8, 0.7 * net) - 0.44 * nucleoli, 1.0)
    labels, polarity = segment(cells, "auto", least_area=30)
    areas = np.bincount(labels.ravel())[1:]
    assert polarity == "bright"
    assert (areas > 0.97 * np.pi * 18**2).sum() == 36
    assert (areas > 0).sum() < 50  # the net is 49 pieces more


def test_a_single_large_cell_is_still_an_object_and_a_largest_area_leaves_it_out():
    cell = discs([(64, 64)], radius=26)
    assert match_objects(cell, cell).content_objects == 1
    assert match_objects(cell, cell, largest_area=600).content_objects == 0


@pytest.mark.parametrize(("shape", "sigma"), [((300, 200), 40), ((64, 512), 128), ((50, 50), 17), ((1, 90), 30)])
def test_a_wide_blur_is_the_gaussian(shape, sigma):
    picture = gaussian_filter(np.random.default_rng(1).random(shape), 2)
    want = gaussian_filter(picture, sigma, mode="nearest")
    np.testing.assert_allclose(wide_blur(picture, sigma), want, atol=0.01 * np.ptp(picture))


@pytest.mark.parametrize("sigma", [0, 1, 3])
def test_hills_are_those_that_scikit_image_finds_piece_by_piece(sigma):
    picture = ndi.gaussian_filter(np.random.default_rng(1).random((160, 200)), sigma)
    mask = picture > np.quantile(picture, 0.6)
    distance, pieces = ndi.gaussian_filter(ndi.distance_transform_edt(mask), 1.5), ndi.label(mask)[0]
    for apart in (4, 9):
        plain = peak_local_max(distance, min_distance=apart, labels=pieces, exclude_border=False)
        np.testing.assert_array_equal(_peaks(distance, pieces, apart), plain)
