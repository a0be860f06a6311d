"""The contact sheet: its lists of values, its cells, what it costs and what it looks like."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from cellstyle.contact_sheet.sheet import draw_sheet
from cellstyle.contact_sheet.values import parse_values
from cellstyle.nodes.sweep import MOST_CELLS, CellStyleSweep
from comfy_client import Interrupted, PromptRejected
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model, tiny_vae
from run_nodes import DIALS, adain, capture, invert, latent, sample
from test_server import GRAPH, calls

OTHER_DIALS = {name: value for name, value in DIALS.items() if name not in ("gamma", "tau")}


@pytest.fixture(scope="module")
def wired():
    """model, conditioning, vae, and the inputs of a sampler: two contents, one style, not square."""
    with torch.inference_mode():
        model, conditioning = tiny_model(), tiny_conditioning()
        inverted, query, _ = invert(model, conditioning, latent(2, 4, 8, 12, seed=1), steps=2)
        style_kv, noise = capture(model, conditioning, latent(1, 4, 12, 8, seed=2), steps=2)
        return model, conditioning, tiny_vae(), adain(inverted, noise), style_kv, query


def sweep(wired, gammas="0.3, 0.75", taus="1.0, 1.5, 2", query=True, **more):
    model, conditioning, vae, start, style_kv, content_query = wired
    return CellStyleSweep.execute(
        model=model,
        conditioning=conditioning,
        latent=start,
        vae=vae,
        style_kv=style_kv,
        content_query=content_query if query else None,
        gammas=gammas,
        taus=taus,
        **{**OTHER_DIALS, **more},
    ).result


def test_every_cell_is_what_the_sampler_gives_alone(wired):
    model, conditioning, vae, start, style_kv, query = wired
    _, images = sweep(wired)
    at = 0
    decoded = {
        (gamma, tau): vae.decode(sample(model, conditioning, start, style_kv, query, gamma=gamma, tau=tau))
        for tau in (1.0, 1.5, 2.0)
        for gamma in (0.3, 0.75)
    }
    for which in range(2):
        for tau in (1.0, 1.5, 2.0):
            for gamma in (0.3, 0.75):
                assert torch.equal(images[at], decoded[gamma, tau][which])
                at += 1
    assert at == len(images)


def test_a_batch_of_two_gives_two_sheets_and_the_cells_one_after_the_other(wired):
    sheet, images = sweep(wired)
    assert sheet.shape[0] == 2
    assert tuple(images.shape) == (12, 64, 96, 3)
    assert not torch.equal(sheet[0], sheet[1])
    assert float(sheet.min()) >= 0 and float(sheet.max()) <= 1


def test_the_cells_stand_on_the_sheet_in_their_places():
    colours = np.linspace(0.05, 0.95, 6)
    pictures = [np.full((40, 60, 3), c, np.float32) for c in colours]
    sheet = draw_sheet(pictures, ["tau 1", "tau 2"], ["gamma 0", "gamma 0.5", "gamma 1"], 512)
    centres = []
    for c in colours:
        ys, xs = np.nonzero(np.all(np.abs(sheet - np.rint(c * 255) / 255) < 1e-3, axis=-1))
        assert len(ys) >= 40 * 60
        centres.append((np.median(ys), np.median(xs)))
    rows, columns = centres[::3], centres[:3]
    assert rows[0][0] < rows[1][0] and columns[0][1] < columns[1][1] < columns[2][1]
    for i, (y, x) in enumerate(centres):
        assert abs(y - rows[i // 3][0]) < 1 and abs(x - columns[i % 3][1]) < 1


@pytest.mark.parametrize("shape", [(512, 512, 3), (64, 200, 4), (300, 20, 1), (1, 1, 3)])
def test_any_picture_fits_a_sheet_and_none_is_enlarged(shape):
    sheet = draw_sheet([np.full(shape, np.nan, np.float32)], ["tau 1.25"], ["gamma 0.333"], 128, "20 steps")
    height, width = min(shape[0], 128), min(shape[1], 128)
    black = np.all(sheet < 0.01, axis=-1)
    assert black.sum() >= height * width * min(1, 128 / max(shape[:2]))
    assert np.isfinite(sheet).all()


def test_lists_of_values_are_read_as_people_write_them():
    for text in ("0.3, 0.5,0.75", " .3;0.5\n0.75 ", "0.3 0.5 7.5e-1,"):
        assert parse_values(text, "gammas", 0, 1, "0.5") == [0.3, 0.5, 0.75]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "gammas is empty"),
        (" , ;", "gammas is empty"),
        ("0.3, high", '"high" is not a number'),
        ("0.3, 1.2", '"1.2" is outside 0 to 1'),
        ("-0.1", '"-0.1" is outside 0 to 1'),
        ("nan", '"nan" is outside'),
        ("1e999", '"1e999" is outside'),
        ("0,5 0,75", '"5" is outside 0 to 1. Decimals have a point'),
        ("0.5, 0.50", '"0.50" is there twice'),
        ("x" * 9999, '"' + "x" * 40 + '" is not'),
    ],
)
def test_a_list_that_is_wrong_is_quoted(text, message):
    with pytest.raises(ValueError) as error:
        parse_values(text, "gammas", 0, 1, "0.3, 0.5")
    assert message in str(error.value)


def test_too_many_cells_are_counted(wired):
    many = ", ".join(f"0.{n:02d}" for n in range(1, 14))
    with pytest.raises(ValueError, match=f"13 gammas and 5 taus make 65 cells; at most {MOST_CELLS}"):
        sweep(wired, gammas=many, taus="1 2 3 4 5")


def test_what_the_last_cell_would_refuse_is_refused_before_the_first(wired, monkeypatch):
    monkeypatch.setattr("cellstyle.nodes.sweep.sample_injected", lambda *a, **k: pytest.fail("a cell was sampled"))
    with pytest.raises(ValueError, match="content_query is not connected"):
        sweep(wired, gammas="0, 0.5", query=False)


SWEEP = {
    **{key: GRAPH[key] for key in ("model", "count", "content", "style", "invert", "capture", "adain")},
    "sweep": {
        "class_type": "CellStyleSweep",
        "inputs": {
            "model": ["count", 0],
            "conditioning": ["model", 1],
            "latent": ["adain", 0],
            "vae": ["model", 2],
            "style_kv": ["capture", 0],
            "content_query": ["invert", 1],
            "gammas": "0.3, 0.75",
            "taus": "1, 1.5",
            **OTHER_DIALS,
        },
    },
    "out": {"class_type": "PreviewImage", "inputs": {"images": ["sweep", 0]}},
}
STEPS = GRAPH["invert"]["inputs"]["steps"]


def unseen(number: int) -> dict:
    graph = copy.deepcopy(SWEEP)
    graph["content"]["inputs"]["seed"], graph["style"]["inputs"]["seed"] = 5000 + number, 6000 + number
    return graph


def test_a_cell_costs_one_sampling_and_progress_is_the_total(client):
    graph, progress = unseen(1), []
    before = calls(client)

    def watch(event):
        if event.kind == "progress" and event.node == "sweep":
            progress.append((event.value, event.maximum))

    result = client.run(graph, on_event=watch)
    assert calls(client) - before == 2 * STEPS + 4 * STEPS
    assert progress[-1] == (4 * STEPS, 4 * STEPS)
    assert [value for value, _ in progress] == sorted(value for value, _ in progress)
    assert len(result.outputs["out"]["images"]) == 1
    graph["sweep"]["inputs"]["gammas"] = "0.5"
    before = calls(client)
    client.run(graph)
    assert calls(client) - before == 2 * STEPS


def test_an_interrupt_leaves_nothing_and_the_next_run_is_whole(client):
    graph, reached = unseen(2), []

    def stop(event):
        if event.kind == "progress" and event.node == "sweep" and event.value > STEPS and not reached:
            reached.append(event.value)
            client.interrupt()

    with pytest.raises(Interrupted):
        client.run(graph, on_event=stop)
    before = calls(client)
    assert len(client.run(graph).outputs["out"]["images"]) == 1
    assert calls(client) - before == 4 * STEPS


def test_bad_lists_get_a_sentence_on_the_server(client):
    graph = unseen(3)
    graph["sweep"]["inputs"]["taus"] = "1.0, warm"
    with pytest.raises(PromptRejected, match='taus: "warm" is not a number'):
        client.run(graph)


def test_values_keep_the_order_in_which_they_are_written():
    assert parse_values("0.75, 0.3 0.5", "gammas", 0.0, 1.0, "0.3") == [0.75, 0.3, 0.5]


def test_the_sheet_has_the_values_as_written(wired):
    written, sorted_ = (
        sweep(wired, gammas=gammas, taus=taus)[1] for gammas, taus in (("0.75, 0.3", "2 1"), ("0.3, 0.75", "1 2"))
    )
    count = len(written) // 4
    for n in range(count):
        cells, others = written[4 * n : 4 * n + 4], sorted_[4 * n : 4 * n + 4]
        assert torch.equal(cells, others.flip(0))
