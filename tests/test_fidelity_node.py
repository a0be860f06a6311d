"""Cell Style Fidelity as a node: batches, bad input, the report."""

import json
import time

import numpy as np
import pytest
import torch
from cellstyle.fidelity.drawing import LEAST_TOP, heat_map, heat_top
from cellstyle.fidelity.metrics import NUMBERS, Settings, measure
from cellstyle.fidelity.report import draw_report
from cellstyle.nodes.fidelity import CellStyleFidelity
from scipy.ndimage import gaussian_filter
from skimage import data

TISSUE = torch.from_numpy(data.immunohistochemistry()[::4, ::4] / np.float32(255))[None]
OTHER = TISSUE.flip(1)
SETTINGS = {
    "edge_tolerance": 2.0, "edge_sigma": 1.5, "object_polarity": "auto", "least_area": 30, "least_iou": 0.5,
    "panel_size": 400, "lpips": "off",
}  # fmt: skip


@pytest.fixture(autouse=True)
def temp(tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))


def run(content, result, **inputs):
    report, *numbers, record, _, _ = CellStyleFidelity.execute(content, result, **{**SETTINGS, **inputs}).result
    return report, dict(zip(NUMBERS, numbers, strict=True)), json.loads(record)


def test_the_outputs_are_a_report_nine_numbers_and_json():
    report, numbers, record = run(TISSUE, TISSUE * 0.8, style=OTHER)
    assert report.dtype == torch.float32 and report.ndim == 4 and report.shape[-1] == 3
    assert report.min() >= 0 and report.max() <= 1
    assert all(type(value) is float for value in numbers.values())
    assert record["mean"] == {**numbers, "lpips": None}
    assert record["pairs"][0]["objects"]["content"] > 0
    assert record["settings"]["edge_tolerance"] == 2.0 and "scikit-image" in record["versions"]


def test_the_schema_lists_the_outputs_in_the_order_of_the_numbers():
    schema = CellStyleFidelity.GET_SCHEMA()
    assert [o.display_name for o in schema.outputs] == ["report", *NUMBERS, "json", "flicker", "lpips"]
    assert all(thing.tooltip for thing in [*schema.inputs, *schema.outputs])
    assert schema.category == "CellStyle" and schema.search_aliases


def test_without_a_style_the_distances_are_minus_one_and_null():
    _, numbers, record = run(TISSUE, OTHER)
    assert numbers["colour_distance"] == numbers["texture_distance"] == -1
    assert record["mean"]["colour_distance"] is None


def test_a_batch_gives_what_its_pairs_give_alone():
    contents, results = torch.cat([TISSUE, OTHER]), torch.cat([TISSUE * 0.7, TISSUE])
    report, numbers, record = run(contents, results, style=TISSUE)
    alone = [run(contents[n : n + 1], results[n : n + 1], style=TISSUE) for n in range(2)]
    assert report.shape[0] == 2 and report.shape[1:] == alone[0][0].shape[1:]
    for key in NUMBERS:
        assert numbers[key] == pytest.approx(np.mean([one[1][key] for one in alone]))
        assert [pair[key] for pair in record["pairs"]] == [one[1][key] for one in alone]


@pytest.mark.parametrize(("contents", "results"), [(1, 3), (3, 1), (3, 3)])
def test_one_picture_pairs_with_many(contents, results):
    report, _, record = run(TISSUE.repeat(contents, 1, 1, 1), OTHER.repeat(results, 1, 1, 1))
    assert report.shape[0] == len(record["pairs"]) == 3


def test_counts_that_do_not_pair_are_named():
    with pytest.raises(ValueError, match="2 contents and 3 results"):
        run(TISSUE.repeat(2, 1, 1, 1), TISSUE.repeat(3, 1, 1, 1))
    with pytest.raises(ValueError, match="2 styles do not fit 3 pairs"):
        run(TISSUE.repeat(3, 1, 1, 1), TISSUE, style=TISSUE.repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match="4 masks do not fit 1 pairs"):
        run(TISSUE, TISSUE, mask=torch.ones(4, 8, 8))


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (1, 200), (300, 2), (64, 96)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_size_and_channel_count_gives_a_report(shape, channels):
    picture = torch.rand(1, *shape, channels, generator=torch.Generator().manual_seed(0))
    report, numbers, _ = run(picture, picture.clone(), style=picture)
    assert numbers["ssim"] == numbers["objects_matched"] == 1 and numbers["colour_distance"] == 0
    assert report.shape[2] == run(TISSUE, TISSUE)[0].shape[2]


def test_half_precision_and_gray_contents_work():
    numbers = run(TISSUE.mean(-1, keepdim=True).half(), TISSUE.bfloat16())[1]
    assert numbers["ssim"] > 0.9


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ({"result": TISSUE * float("nan")}, "result holds .* NaN or infinite"),
        ({"content": torch.zeros(0, 8, 8, 3)}, r"content is \(0, 8, 8, 3\)"),
        ({"content": TISSUE[0]}, "content is"),
        ({"result": torch.zeros(1, 8, 8, 2)}, "1, 3 or 4 channels"),
        ({"result": torch.zeros(1, 5000, 5000, 1)}, "5000 x 5000 pixels; at most"),
        ({"mask": torch.zeros(1, 64, 64)}, "mask selects nothing"),
        ({"mask": torch.full((1, 64, 64), float("nan"))}, "mask holds NaN"),
        ({"mask": torch.zeros(1, 1, 64, 64)}, "mask has shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_measured_gets_one_sentence(inputs, match):
    with pytest.raises(ValueError, match=match) as caught:
        run(**{"content": TISSUE, "result": TISSUE, **inputs})
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_the_report_shows_content_result_and_the_three_colours_of_edges():
    content = TISSUE[0].numpy()
    sheet = draw_report(measure(content, np.roll(content, 4, 1)), Settings(), 400)
    colours = {tuple(c) for c in np.rint(sheet.reshape(-1, 3) * 255).astype(int)}
    assert {(0, 158, 115), (213, 94, 0), (0, 114, 178)} <= colours
    assert sheet.shape[1] == 3 * 400 + 2 * 24 + 2 * 28


def test_a_512_pair_is_measured_and_drawn_quickly():
    content = torch.from_numpy(data.immunohistochemistry() / np.float32(255))[None]
    started = time.process_time()
    run(content, content * 0.9, style=content)
    assert time.process_time() - started < 12  # about 2 s on one idle core; the rest is for a busy machine


def time_lapse(result_noise: float, count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames with a moving spot and the camera's noise, and results with another noise."""
    rng = np.random.default_rng(0)
    scene = gaussian_filter(rng.random((96, 128)), 3)
    scene = 0.2 + 0.6 * (scene - scene.min()) / np.ptp(scene)
    y, x = np.mgrid[:96, :128]
    frames = [np.where(np.hypot(y - 48, x - 20 - 12 * n) < 9, 1.0, scene) for n in range(count)]

    def noisy(sigma):
        return torch.tensor(np.stack([f + sigma * rng.normal(size=f.shape) for f in frames]), dtype=torch.float32)

    return noisy(0.01)[..., None].clamp(0, 1), noisy(result_noise)[..., None].clamp(0, 1)


@pytest.mark.parametrize("times", [0.5, 1, 3])
def test_a_time_lapse_has_its_flicker_printed(times):
    contents, results = time_lapse(0.01 * times)
    outputs = CellStyleFidelity.execute(contents, results, **SETTINGS)
    assert outputs.result[-2] == pytest.approx(times, rel=0.05)
    assert json.loads(outputs.result[-3])["flicker"] == outputs.result[-2]
    pale = CellStyleFidelity.execute(contents, contents, **SETTINGS)
    assert pale.result[-2] == 1
    assert not torch.equal(outputs.result[0][0, :60], pale.result[0][0, :60])  # the header names it


def test_pictures_of_different_scenes_are_no_time_lapse():
    outputs = CellStyleFidelity.execute(torch.cat([TISSUE, OTHER]), torch.cat([TISSUE, OTHER]), **SETTINGS)
    assert outputs.result[-2] == -1 and json.loads(outputs.result[-3])["flicker"] is None
    assert CellStyleFidelity.execute(TISSUE, TISSUE, **SETTINGS).result[-2] == -1


def test_still_frames_without_noise_are_measured_by_a_rounding_step():
    still = TISSUE.repeat(3, 1, 1, 1)
    assert CellStyleFidelity.execute(still, still, **SETTINGS).result[-2] == 0
    jumping = still.clone()
    jumping[1] = (jumping[1] * 0.8).clamp(0, 1)
    assert CellStyleFidelity.execute(still, jumping, **SETTINGS).result[-2] > 1.5


def test_the_heat_map_has_a_legible_range_and_says_it():
    content = TISSUE[0].numpy()
    slight, strong = content.copy(), content.copy()
    slight[20:60, 20:60] = gaussian_filter(slight[20:60, 20:60], (2, 2, 0))
    strong[20:60, 20:60] = strong[20:60, 20:60].mean((0, 1))
    tops = [heat_top(measure(content, result).change) for result in (content, slight, strong)]
    assert tops[0] == LEAST_TOP <= tops[1] < tops[2] <= 1
    for result, top in zip((slight, strong), tops[1:], strict=True):
        where = measure(content, result).change
        brightest = heat_map(where, np.zeros(where.shape), top)
        assert brightest.max() > 0.8  # the largest change of a picture is seen, however small it is
