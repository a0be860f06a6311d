"""An even background of the content is found, and reads the style as one place: no strokes are drawn into it."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.attention_patch.architectures.choose import architecture_of
from cellstyle.engine.dials import StyleSettings
from cellstyle.equations.adain import adain
from cellstyle.equations.background_adain import background_adain
from cellstyle.equations.flat_background import REACH, background_of, flat_background, flat_queries
from cellstyle.equations.rotary import move, turn
from cellstyle.equations.step_adain import step_adain
from cellstyle.features.wire_values import ContentQuery
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from comfy_test_nodes.tiny_transformers import KINDS, tiny_latent, tiny_text
from hypothesis import given, settings
from hypothesis import strategies as st
from test_transformer_positions import ROTATED, matrices, rotated
from transformer_runs import HERE, model_of

FLAT = StyleSettings(flat_background=1.0)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def disc(height: int, width: int, row: float, column: float, radius: float) -> torch.Tensor:
    """(h, w) of booleans."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (y - row).square() + (x - column).square() <= radius**2


def field(height: int, width: int, cells: list, channels: int = 4, grain: float = 0.1, seed: int = 0) -> torch.Tensor:
    """(1, C, h, w): a grainy field of one colour, with busy cells (row, column, radius) of another."""
    x = grain * noise(1, channels, height, width, seed=seed) + noise(1, channels, 1, 1, seed=seed + 1)
    for number, cell in enumerate(cells):
        inside = disc(height, width, *cell)
        busy = noise(1, channels, height, width, seed=seed + 2 + number) + 2
        x = torch.where(inside, busy, x)
    return x


def test_the_field_around_a_cell_is_background_and_the_cell_is_none():
    cell = (20, 12, 6)
    found = flat_background(field(40, 32, [cell]))[0, 0]
    assert found[~disc(40, 32, 20, 12, 9)].min() > 0.9
    assert found[disc(40, 32, *cell)].max() == 0


def test_the_even_inside_of_a_cell_is_none_and_the_same_colour_inside_a_ring_is():
    x = field(40, 40, [], grain=0.02)
    ground = x.clone()
    x = torch.where(disc(40, 40, 20, 20, 12), ground + 3, x)
    assert flat_background(x)[0, 0, 20, 20] == 0
    x = torch.where(disc(40, 40, 20, 20, 7), ground, x)
    assert flat_background(x)[0, 0, 20, 20] > 0.9


@pytest.mark.parametrize("size", [32, 64, 128])
def test_one_small_cell_in_a_large_field(size):
    """A cell of 1 % of the picture hardly changes its spread, and the grain would be taken for structure."""
    radius = size * 0.056
    found = flat_background(field(size, size, [(size / 2, size / 2, radius)]))[0, 0]
    assert found[~disc(size, size, size / 2, size / 2, radius + 3)].mean() > 0.9
    assert found[disc(size, size, size / 2, size / 2, radius)].max() == 0


def test_a_picture_of_one_colour_is_background_all_over_and_a_busy_one_nowhere():
    one = noise(3, 16, 1, 1).expand(3, 16, 33, 27)
    assert flat_background(one).eq(1).all() and flat_background(1e4 * one).eq(1).all()
    assert not flat_background(noise(2, 4, 24, 24)).any()
    busy = torch.where(disc(24, 24, 12, 12, 8), torch.zeros(1, 4, 24, 24), noise(1, 4, 24, 24))
    assert not flat_background(busy).any()  # an even place that does not reach the edge


@given(st.integers(1, 21), st.integers(1, 21), st.floats(1e-3, 1e3), st.floats(-50, 50))
@settings(max_examples=60, deadline=None)
def test_any_size_and_any_scale(height, width, scale, offset):
    x = field(height, width, [(height / 2, width / 3, min(height, width) / 4)]).double()
    found = flat_background(x)
    assert found.shape == (1, 1, height, width) and found.min() >= 0 and found.max() <= 1
    assert torch.allclose(flat_background(x * scale + offset), found, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_batches_videos_of_one_frame_and_precisions(dtype):
    pictures = torch.cat([field(20, 24, [(8, 8, 4)], seed=seed) for seed in (3, 7)])
    found = flat_background(pictures)
    each = torch.cat([flat_background(picture[None]) for picture in pictures])
    assert torch.equal(found, each) and not torch.equal(found[0], found[1])
    assert torch.equal(flat_background(pictures[:, :, None]), found)
    assert (flat_background(pictures.to(dtype)) - found).abs().max() < 0.1


def test_a_piece_is_measured_by_the_whole():
    """A tile of nothing but grain is busy by its own measure, and background by that of the picture it is cut from."""
    whole = field(32, 64, [(16, 48, 8)])
    found, tile = flat_background(whole), whole[..., :24]
    assert not flat_background(tile).any()
    assert torch.allclose(
        flat_background(tile, background_of(whole))[..., :23], found[..., :23]
    )  # the last sees over the cut


def test_without_background_the_queries_are_the_contents_and_gamma_is_gamma():
    q = noise(2, 15, 8)
    kept, gamma = flat_queries(q, torch.zeros(2, 15, 1), (3, 5), 0.3)
    assert torch.equal(kept, q) and torch.equal(gamma, torch.full((2, 15, 1), 0.3))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_background_reads_the_mean_of_its_queries(dtype):
    """Of those near, the background's own: what stands beside it is not among them."""
    h, w = 12, 9
    q, background = noise(1, h * w, 6).to(dtype), torch.zeros(1, h, w, 1)
    background[:, :, :5] = 1
    seen = q.unflatten(1, (h, w)).clone()
    seen[:, :, 5:] = 1000.0
    kept, gamma = flat_queries(seen.flatten(1, 2), background.flatten(1, 2), (h, w), 0.25)
    assert kept.dtype == gamma.dtype == dtype
    kept, gamma = kept.unflatten(1, (h, w)), gamma.unflatten(1, (h, w))
    row, column = 6, 2
    expected = seen[0, row - REACH : row + REACH + 1, :5].double().mean((0, 1))
    assert torch.allclose(kept[0, row, column].double(), expected, atol=1e-2 if dtype.itemsize == 2 else 1e-6)
    assert kept[:, :, 5:].eq(1000).all()
    assert gamma[:, :, :5].eq(1).all() and gamma[:, :, 5:].eq(0.25).all()


def test_half_a_background_is_half_of_it():
    q, half = noise(1, 49, 4).double(), torch.full((1, 49, 1), 0.5)
    whole, _ = flat_queries(q, 2 * half, (7, 7), 0.4)
    kept, gamma = flat_queries(q, half, (7, 7), 0.4)
    assert torch.allclose(kept, (q + whole) / 2) and torch.allclose(gamma, torch.full_like(gamma, 0.7))


@pytest.mark.parametrize("kind", ROTATED)
def test_rotated_queries_are_averaged_as_if_they_stood_at_one_place(kind):
    architecture, grid = architecture_of(model_of(kind)), (9, 11)
    found, rotary = matrices(kind, architecture.network, grid), architecture.rotary
    plain = noise(*grid, 2 * found.shape[2])
    background = torch.rand(1, 99, 1, generator=torch.Generator().manual_seed(1))

    def moved(x, sign):
        places = torch.tensor([architecture.step(row, column) for row in range(9) for column in range(11)])
        return move(x, rotary, turn(rotary, sign * places, x.device))

    given_q = rotated(plain, found, rotary.halves).flatten(0, 1)[None]
    kept, _ = flat_queries(given_q, background, grid, 0.5, moved)
    expected, _ = flat_queries(plain.flatten(0, 1)[None], background, grid, 0.5)
    expected = rotated(expected.unflatten(1, grid)[0], found, rotary.halves).flatten(0, 1)
    assert torch.allclose(kept[0], expected, atol=1e-4)
    assert not torch.allclose(flat_queries(given_q, background, grid, 0.5)[0][0], expected, atol=1e-2)


def apart_of(x: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Spread of each channel of (1, C, h, w) in a place."""
    return x[0, :, place].std(1)


def test_adain_leaves_the_ground_even_and_gives_the_rest_the_styles_spread():
    x, style = field(40, 40, [(20, 20, 5)], grain=0.1), 3 * noise(1, 4, 30, 30, seed=9)
    background = flat_background(x)
    ground, cell = background[0, 0] == 1, background[0, 0] == 0
    plain, kept = adain(x, style), background_adain(x, style, background)
    assert (apart_of(kept, ground) <= apart_of(x, ground) * (1 + 1e-5)).all()
    assert (apart_of(plain, ground) > 2 * apart_of(x, ground)).all()
    assert torch.allclose(kept.mean((2, 3)), style.mean((2, 3)), atol=1e-5)  # the colour comes as before
    off = (kept - kept.mean((2, 3), keepdim=True))[0, :, cell].square().mean(1).sqrt()
    assert torch.allclose(off, style[0].std((1, 2)), rtol=0.3)


def test_adain_with_no_background_or_little_to_stretch_is_adain():
    x, nowhere = field(24, 24, [(12, 12, 5)]), torch.zeros(1, 1, 24, 24)
    style = noise(2, 4, 30, 30, seed=9)
    assert torch.allclose(background_adain(x, style, nowhere), adain(x, style), atol=1e-6)
    found = flat_background(x)
    once = step_adain(x, [style[:1]], [1.0], [None], 1.0, found)
    assert torch.equal(once, background_adain(x, style[:1], found))
    narrow = 0.01 * style  # nothing is stretched: all is narrowed as the rest is
    from_mean = background_adain(x, narrow, found) - narrow.mean((2, 3), keepdim=True)
    assert (from_mean / (x - x.mean((2, 3), keepdim=True)) < 1).all()
    for place in (torch.ones(1, 1, 24, 24), torch.ones(1, 1, 12, 12), found[..., :12]):  # any grid over the content
        assert torch.isfinite(background_adain(x, style, place)).all()
    assert torch.equal(
        background_adain(x[:, :, None], style[:, :, None], found)[:, :, 0], background_adain(x, style, found)
    )


def test_pieces_take_the_statistics_of_the_whole():
    whole, style = field(24, 48, [(12, 30, 6)]), noise(1, 4, 16, 16, seed=3)
    found, left = flat_background(whole), slice(0, 20)
    expected = background_adain(whole, style, found)[..., left]
    piece = background_adain(whole[..., left], style, found[..., left], whole, found)
    assert torch.allclose(piece, expected, atol=1e-5)


@pytest.fixture(scope="module")
def scene() -> dict:
    """A tiny model, and a content that is a field with a cell at its right."""
    model, conditioning = tiny_model(), tiny_conditioning()
    picture = field(32, 32, [(10, 24, 6)], grain=0.05)
    with torch.inference_mode():
        inverted, query, _ = nodes.invert(model, conditioning, {"samples": 5.5 * picture})
        style_kv, start = nodes.capture(model, conditioning, nodes.latent(1, 4, 16, 24, seed=2))
    return {"wired": (model, conditioning), "inverted": inverted, "query": query, "style": style_kv, "start": start}


def test_at_0_and_where_there_is_no_background_nothing_changes(scene):
    model, conditioning = scene["wired"]
    inverted, query, _ = nodes.invert(model, conditioning, {"samples": 5.5 * noise(1, 4, 16, 16)})
    given_ = (inverted, scene["style"], query)
    assert not flat_background(query.bank.clean).any()
    plain = nodes.sample(model, conditioning, *given_)
    assert torch.equal(nodes.sample(model, conditioning, *given_, settings=FLAT), plain)
    off = StyleSettings(flat_background=0.0)
    given_ = (scene["inverted"], scene["style"], scene["query"])
    plain = nodes.sample(model, conditioning, *given_)
    assert torch.equal(nodes.sample(model, conditioning, *given_, settings=off), plain)
    assert not torch.equal(nodes.sample(model, conditioning, *given_, settings=FLAT), plain)


def test_a_background_reads_the_style_alike_whatever_gamma_is(scene):
    """One layer, so that nothing of the cell comes to the field by way of another."""
    ground = flat_background(scene["query"].bank.clean)[0, 0] == 1
    deep = torch.nn.functional.max_pool2d(1 - ground.float()[None], 13, 1, 6)[0] == 0
    assert deep.sum() > 50
    given_ = (*scene["wired"], scene["inverted"], scene["style"], scene["query"])

    def apart(chosen):
        drawn = [nodes.sample(*given_, gamma=g, layers="output.11", settings=chosen) for g in (0.1, 0.9)]
        return (drawn[0] - drawn[1])[0, :, deep].abs().mean()

    assert apart(FLAT) < 0.2 * apart(None)


def test_it_keeps_queries_where_gamma_is_0_and_out_of_their_range(scene):
    given_ = (*scene["wired"], scene["inverted"], scene["style"], scene["query"])
    plain = nodes.sample(*given_, gamma=0.0)
    kept = nodes.sample(*given_, gamma=0.0, settings=FLAT)
    assert not torch.equal(kept, plain)
    ranged = StyleSettings(flat_background=1.0, query_start=0.5, query_end=0.5)
    assert torch.equal(nodes.sample(*given_, gamma=0.75, settings=ranged), kept)


def test_without_the_contents_queries_it_is_refused_in_words(scene):
    with pytest.raises(
        ValueError, match=r"^flat_background is 1, .*Connect content_query .* or set flat_background to 0"
    ):
        nodes.sample(*scene["wired"], scene["inverted"], scene["style"], None, gamma=0.0, settings=FLAT)
    with pytest.raises(ValueError, match=r"^gamma is 0\.75, "):
        nodes.sample(*scene["wired"], scene["inverted"], scene["style"], None, settings=FLAT)


def test_contents_in_a_batch_with_guidance_keep_each_its_own(scene):
    model, conditioning = scene["wired"]
    pictures = torch.cat([scene["query"].bank.clean, field(32, 32, [(20, 8, 5)], seed=30, grain=0.05)])
    pictures = {"samples": model.model.process_latent_out(pictures)}
    inverted, query, _ = nodes.invert(model, conditioning, pictures)
    more = {
        "negative": tiny_conditioning(seed=5),
        "cfg": 2.0,
        "settings": StyleSettings(adain_rate=0.3, flat_background=1.0),
    }
    together = nodes.sample(model, conditioning, inverted, scene["style"], query, **more)
    for n in range(2):
        inverted, query, _ = nodes.invert(model, conditioning, {"samples": pictures["samples"][n : n + 1]})
        alone = nodes.sample(model, conditioning, inverted, scene["style"], query, **more)
        assert nodes.relative_error(together[n : n + 1], alone) < 1e-4


def test_features_that_are_computed_again_give_the_same(scene):
    model, conditioning = scene["wired"]
    picture = {"samples": model.model.process_latent_out(scene["query"].bank.clean)}
    inverted, query, _ = nodes.invert(model, conditioning, picture, storage="recompute")
    again = nodes.sample(model, conditioning, inverted, scene["style"], query, gamma=0.0, settings=FLAT)
    stored = nodes.sample(
        model, conditioning, scene["inverted"], scene["style"], scene["query"], gamma=0.0, settings=FLAT
    )
    assert nodes.relative_error(again, stored) < 1e-4


def test_a_given_background_goes_before_the_one_that_is_found(scene):
    given_ = (*scene["wired"], scene["inverted"], scene["style"])
    bank = scene["query"].bank
    nowhere = nodes.sample(*given_, ContentQuery(bank, torch.zeros(1, 1, 32, 32)), settings=FLAT)
    assert torch.equal(nowhere, nodes.sample(*given_, scene["query"]))
    found = nodes.sample(*given_, ContentQuery(bank, flat_background(bank.clean)), settings=FLAT)
    assert torch.equal(found, nodes.sample(*given_, scene["query"], settings=FLAT))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["sd15", *(kind for kind in ("flux", "sd3") if kind in HERE)])
def test_half_precision_stays_near(kind, dtype):
    is_unet = kind == "sd15"
    text = tiny_conditioning() if is_unet else tiny_text(kind)
    _, channels, *size = (1, 4, 16, 16) if is_unet else tiny_latent(kind, 3, (8, 8))["samples"].shape
    content = {"samples": field(*size, [(5, 10, 3)], channels, grain=0.02)}
    style = nodes.latent(1, 4, 16, 16, seed=2) if is_unet else tiny_latent(kind, 4, (8, 8))
    results = []
    for precision in (torch.float32, dtype):
        model = tiny_model(dtype=precision, output_gain=0.1) if is_unet else model_of(kind, precision)
        inverted, query, _ = nodes.invert(model, text, content, 2)
        style_kv, start = nodes.capture(model, text, style, 2)
        begun = nodes.adain(inverted, start, mode="noise-preserving")
        chosen = StyleSettings(flat_background=1.0, adain_rate=0.3)
        results.append(nodes.sample(model, text, begun, style_kv, query, settings=chosen))
    assert flat_background(query.bank.clean).mean() > 0.3
    assert nodes.relative_error(results[1], results[0]) < 0.05


@pytest.mark.parametrize("kind", HERE)
def test_in_a_transformer_a_picture_that_is_all_background_does_not_see_gamma(kind):
    model, text, style = model_of(kind), tiny_text(kind), tiny_latent(kind, 4, (8, 8))
    content = tiny_latent(kind, 3, (8, 8))
    content = {"samples": content["samples"].mean((-2, -1), keepdim=True).expand_as(content["samples"]).contiguous()}
    layers = KINDS[kind].layers
    inverted, query, _ = nodes.invert(model, text, content, 2, layers=layers)
    start = {
        **inverted,
        "samples": inverted["samples"] + 0.3 * noise(*inverted["samples"].shape, seed=8).to(inverted["samples"]),
    }
    style_kv, _ = nodes.capture(model, text, style, 2, layers=layers)

    def drawn(gamma, chosen):
        return nodes.sample(model, text, start, style_kv, query, gamma=gamma, layers=layers, settings=chosen)

    assert nodes.relative_error(drawn(0.0, FLAT), drawn(1.0, FLAT)) < 1e-5
    assert nodes.relative_error(drawn(0.0, None), drawn(1.0, None)) > 1e-3
