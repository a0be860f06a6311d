"""Tiled Cell Style Transfer: how tiles lie, that no seam shows, and that one tile is the untiled result."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import run_nodes
import torch
from cellstyle.engine import held_palette, pieces
from cellstyle.engine.dials import StyleSettings
from cellstyle.engine.sample import sample_injected
from cellstyle.equations.flat_background import flat_background
from cellstyle.equations.tiles import blend, cut, lay_tiles, mosaic
from cellstyle.node_parts import transfer_inputs
from cellstyle.nodes import tiled_transfer
from cellstyle.nodes.tiled_transfer import CellStyleTiledTransfer
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model, tiny_vae
from hypothesis import given, settings
from hypothesis import strategies as st
from patch_vae import PatchVae
from PIL import Image
from scipy.ndimage import gaussian_filter

SETTINGS = {
    "gamma": 0.75, "tau": 1.5, "strength": 1.0, "start": "global", "steps": 2, "solver": "multistep",
    "spacing": "linspace",
    "refinement": 0, "gamma_curve": "constant", "gamma_end": 0.75, "storage": "ram", "tile_size": 128, "overlap": 64,
}  # fmt: skip


HELD = StyleSettings(adain_rate=0.4, adain_end=1.0)


@pytest.fixture(scope="module")
def wired() -> dict:
    return {"model": tiny_model(), "conditioning": tiny_conditioning(), "vae": tiny_vae()}


def picture(height: int, width: int, seed: int = 0, batch: int = 1) -> torch.Tensor:
    noise = np.random.default_rng(seed).random((batch, height, width, 3))
    smooth = gaussian_filter(noise, (0, 3, 3, 0))
    return torch.tensor((smooth - smooth.min()) / np.ptp(smooth), dtype=torch.float32)


def tiled(wired, content, style, **more) -> torch.Tensor:
    return CellStyleTiledTransfer.execute(content=content, style=style, **wired, **{**SETTINGS, **more}).result[0]


def untiled(wired, content, style, mode="global", **dials) -> torch.Tensor:
    """The same by the four nodes."""
    model, conditioning, vae = wired.values()
    how = {"steps": 2, "solver": "multistep", "spacing": "linspace", "storage": "ram"}
    inverted, query, _ = run_nodes.invert(model, conditioning, {"samples": vae.encode(content)}, **how)
    style_kv, noise = run_nodes.capture(model, conditioning, {"samples": vae.encode(style)}, **how)
    start = run_nodes.adain(inverted, noise, mode=mode)
    return vae.decode(run_nodes.sample(model, conditioning, start, style_kv, query, **dials))


sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(sizes, st.sampled_from([16, 24, 40]), st.sampled_from([8, 16]))
@settings(max_examples=150, deadline=None)
def test_tiles_cover_the_picture_overlap_enough_and_are_of_one_size(size, side, overlap):
    overlap = min(overlap, side // 2)
    layout = lay_tiles(size, side, overlap)
    assert layout.size == size
    for spans, length in zip((layout.rows, layout.columns), size, strict=True):
        assert spans[0][0] == 0 and spans[-1][1] == length
        assert {stop - start for start, stop in spans} == {min(side, length)}
        assert all(start % 8 == 0 for start, _ in spans[:-1])
        for (_, stop), (start, _) in pairwise(spans):
            assert stop - start >= min(overlap, side - 8)
        assert len(spans) <= 1 + -(-max(0, length - side) // max(8, (side - overlap) // 8 * 8))


@given(sizes, st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_tiles_of_a_picture_are_put_together_to_the_picture(size, seed):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(seed))
    layout = lay_tiles(size, 24, 8)
    assert torch.equal(mosaic(cut(x, layout), layout), x)
    torch.testing.assert_close(blend(cut(x, layout), layout), x)
    if len(layout) == 1:
        assert torch.equal(blend(cut(x, layout), layout), x)


def test_a_mosaic_takes_each_place_from_the_tile_that_it_lies_deepest_in():
    layout = lay_tiles((16, 40), 24, 8)
    tiles = [torch.full((1, 16, 24), float(n)) for n in range(len(layout))]
    assert mosaic(tiles, layout)[0, 0].tolist() == [0.0] * 20 + [1.0] * 20


def test_tiles_that_differ_fade_into_each_other():
    layout = lay_tiles((16, 40), 24, 8)
    row = blend([torch.full((1, 16, 24), float(n)) for n in range(2)], layout)[0, 0]
    assert row[:16].eq(0).all() and row[24:].eq(1).all()
    assert (row.diff() >= 0).all() and row.diff().max() < 0.2


@pytest.mark.parametrize(
    ("size", "mode"), [((128, 128), "global"), ((96, 128), "noise-preserving"), ((64, 72), "global")]
)
def test_a_picture_of_one_tile_is_the_untiled_result_bit_for_bit(wired, size, mode):
    content, style = picture(*size), picture(64, 80, seed=1)
    assert torch.equal(tiled(wired, content, style, start=mode), untiled(wired, content, style, mode))
    held = {"settings": HELD}
    assert torch.equal(tiled(wired, content, style, start=mode, **held), untiled(wired, content, style, mode, **held))


def cell_at(height: int, width: int, left: int) -> torch.Tensor:
    """(1, H, W, 3): a field with a little grain, and a busy square of 48 pixels from column `left` on."""
    grain = torch.from_numpy(np.random.default_rng(4).normal(0.3, 0.01, (1, height, width, 3))).float()
    grain[:, 32:80, left : left + 48] = picture(48, 48, seed=5) * 0.5 + 0.5
    return grain.clamp(0, 1)


FLAT = StyleSettings(flat_background=1.0)
FLAT_HELD = StyleSettings(adain_rate=0.4, adain_end=1.0, flat_background=1.0)


@pytest.mark.parametrize("chosen", [FLAT, FLAT_HELD], ids=["flat", "held"])
def test_a_background_in_one_tile_is_the_untiled_one(wired, chosen):
    wired, content, style = {**wired, "vae": PatchVae()}, cell_at(128, 120, 40), picture(64, 80, seed=1)
    result = tiled(wired, content, style, settings=chosen)
    assert torch.equal(result, untiled(wired, content, style, settings=chosen))
    assert not torch.equal(result, tiled(wired, content, style, settings=replace(chosen, flat_background=0.0)))


@pytest.mark.parametrize("chosen", [FLAT, FLAT_HELD], ids=["flat", "held"])
def test_the_background_is_that_of_the_whole(wired, monkeypatch, chosen):
    """The first tile is nothing but grain: no background by its own measure, and all of it by the picture's."""
    given = []

    def sampled(name, model, conditioning, latent, style_kv, query, *more, **named):
        given.append(query)
        return sample_injected(name, model, conditioning, latent, style_kv, query, *more, **named)

    for room in (pieces, held_palette):
        monkeypatch.setattr(room, "sample_injected", sampled)
    content, layout = cell_at(128, 256, 200), lay_tiles((16, 32), 16, 8)
    result = tiled({**wired, "vae": PatchVae()}, content, picture(64, 80, seed=1), settings=chosen)
    first, *others = given[: len(layout)]
    assert first.background.mean() > 0.9 > 0.1 > flat_background(first.bank.clean).mean()
    whole = flat_background(mosaic([query.bank.clean for query in (first, *others)], layout))
    found = mosaic([query.background for query in (first, *others)], layout)
    assert (found - whole)[..., 2:-2, 2:-2].abs().mean() < 0.05
    assert torch.isfinite(result).all()


def test_colours_are_held_by_the_statistics_of_the_whole(wired, monkeypatch):
    """At full rate the last step leaves the mosaic with the style's mean and spread, and each tile with its own."""
    latents = []

    def decoded(vae, latent):
        latents.append(latent)
        return transfer_inputs.decode(vae, latent)

    monkeypatch.setattr(tiled_transfer, "decode", decoded)
    content, style = picture(128, 256) * 0.2, picture(128, 128, seed=1)
    content[:, :, 128:] += 0.7
    tiled(wired, content, style, settings=StyleSettings(adain_rate=1.0, adain_end=1.0))
    whole, want = mosaic(latents, lay_tiles((16, 32), 16, 8)), wired["vae"].encode(style)
    for statistic in (torch.mean, torch.std):
        torch.testing.assert_close(statistic(whole, (2, 3)), statistic(want, (2, 3)), atol=2e-3, rtol=2e-3)
    assert (latents[0].mean((2, 3)) - latents[-1].mean((2, 3))).abs().max() > 2e-3


def seam_visibility(result: torch.Tensor, borders: list[int]) -> float:
    """Mean step from pixel to pixel across tile borders / across other borders of latent pixels, along the width.

    The VAE's own grid of 8 pixels shows in every picture, tiled or not.
    """
    step = result.diff(dim=2).abs().mean((0, 1, 3))
    at, other = torch.zeros(2, len(step), dtype=torch.bool)
    at[[border - 1 for border in borders]] = True
    other[7::8] = True
    return float(step[at].mean() / step[other & ~at].mean())


@pytest.fixture(scope="module")
def demo() -> tuple[dict, torch.Tensor, torch.Tensor]:
    """The demo model, a content of six tiles and a style."""
    from cellstyle.demo_model.load import load_demo_model

    folder = Path(__file__).parent.parent / "example_images"
    content, style = (Image.open(folder / name).convert("RGB") for name in ("content_tissue.png", "style_mural.png"))
    content, style = content.crop((0, 200, 448, 328)), style.resize((128, 128))
    model, conditioning, vae = load_demo_model()
    wired = {"model": model, "conditioning": conditioning, "vae": vae}
    return wired, *(torch.tensor(np.asarray(p, np.float32) / 255)[None] for p in (content, style))


@pytest.mark.parametrize("held", [False, True])
def test_no_seam_is_seen(demo, held):
    wired, content, style = demo
    result = tiled(wired, content, style, steps=4, settings=HELD if held else None)
    spans = lay_tiles((16, 56), 16, 8).times(8).columns
    edges = [start for start, _ in spans[1:]] + [stop for _, stop in spans[:-1]]
    middles = [(stop + start) // 2 for (_, stop), (start, _) in pairwise(spans)]
    assert seam_visibility(result, edges) <= 1.1
    assert seam_visibility(result, middles) <= 1.1
    if held:
        return
    # and the measure sees a seam: tiles side by side, each with a palette of its own
    tiles = [tiled(wired, content[:, :128, left : left + 128], style, steps=4) for left in (0, 128, 256)]
    assert seam_visibility(torch.cat(tiles, 2), [128, 256]) > 1.5


def test_the_palette_is_that_of_the_whole(wired, monkeypatch):
    """What the tiles are sampled from has the style's mean and spread together; each tile alone has its own."""
    content, style = picture(128, 256) * 0.2, picture(128, 128, seed=1)
    content[:, :, 128:] += 0.7
    starts, noises = [], []
    sample, invert = pieces.sample_injected, transfer_inputs.invert_and_record

    def sampled(name, model, conditioning, latent, *rest, **more):
        starts.append(latent["samples"])
        return sample(name, model, conditioning, latent, *rest, **more)

    def captured(*arguments, **more):
        noises.append(invert(*arguments, **more))
        return noises[-1]

    monkeypatch.setattr(pieces, "sample_injected", sampled)
    monkeypatch.setattr(transfer_inputs, "invert_and_record", captured)
    tiled(wired, content, style)
    want = noises[0][0]["samples"]
    whole = mosaic(starts, lay_tiles((16, 32), 16, 8))
    for statistic in (torch.mean, torch.std):
        torch.testing.assert_close(statistic(whole, (2, 3)), statistic(want, (2, 3)), atol=1e-3, rtol=1e-3)
    assert (starts[0].mean((2, 3)) - starts[-1].mean((2, 3))).abs().max() > 0.1


def test_the_result_is_at_the_contents_size_cropped_as_comfyuis_vae_crops(wired):
    content = picture(133, 203)
    cropped = content[:, 2:130, 1:201]
    style = picture(64, 64, seed=1)
    assert tiled(wired, content, style).shape == (1, 128, 200, 3)
    assert torch.equal(tiled(wired, content, style), tiled(wired, cropped, style))


def test_a_batch_gives_what_single_runs_give_and_styles_are_paired(wired):
    contents, styles = picture(64, 160, batch=2), picture(64, 64, seed=1, batch=2)
    one_style = tiled(wired, contents, styles[:1])
    pairs = tiled(wired, contents, styles)
    many_styles = tiled(wired, contents[:1], styles)
    for n in range(2):
        torch.testing.assert_close(one_style[n : n + 1], tiled(wired, contents[n : n + 1], styles[:1]))
        torch.testing.assert_close(pairs[n : n + 1], tiled(wired, contents[n : n + 1], styles[n : n + 1]))
        torch.testing.assert_close(many_styles[n : n + 1], tiled(wired, contents[:1], styles[n : n + 1]))


def test_outside_a_mask_the_content_stays(wired):
    content, style = picture(64, 160), picture(64, 64, seed=1)
    mask = torch.zeros(1, 32, 80)
    mask[:, :, 40:] = 1
    result, everywhere = tiled(wired, content, style, mask=mask), tiled(wired, content, style)
    assert torch.equal(result[:, :, :72], content[:, :, :72])
    torch.testing.assert_close(result[:, :, 96:], everywhere[:, :, 96:])


def test_one_bar_runs_over_all_tiles_and_an_interrupt_is_heard(wired, monkeypatch):
    import comfy.model_management
    import comfy.utils

    seen = []

    def hook(value, total, preview, node_id=None):
        seen.append((value, total))

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
    # or else a quick machine says less
    monkeypatch.setattr(comfy.utils, "PROGRESS_THROTTLE_MIN_INTERVAL", 0, raising=False)
    content, style = picture(128, 256), picture(64, 64, seed=1)
    tiled(wired, content, style)
    values, totals = zip(*seen, strict=True)
    assert set(totals) == {2 * (1 + 3 * 3)}  # 2 steps; the style, and three passes of each of 3 tiles
    assert list(values) == list(range(1, totals[0] + 1))

    def stop(value, total, preview, node_id=None):
        if value >= 5:
            comfy.model_management.interrupt_current_processing()
            comfy.model_management.throw_exception_if_processing_interrupted()

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", stop)
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        tiled(wired, content, style)
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", None)
    comfy.model_management.interrupt_current_processing(False)
    assert torch.isfinite(tiled(wired, content, style)).all()


def test_the_network_never_sees_more_than_a_tile(wired):
    seen = []

    def look(apply_model, options):
        seen.append(tuple(options["input"].shape))
        return apply_model(options["input"], options["timestep"], **options["c"])

    model = wired["model"].clone()
    model.set_model_unet_function_wrapper(look)
    tiled({**wired, "model": model}, picture(256, 320), picture(64, 64, seed=1))
    assert set(seen) == {(1, 4, 16, 16), (1, 4, 8, 8)}


def test_the_model_is_left_as_it_was(wired):
    before = wired["model"].patches_uuid
    options = str(wired["model"].model_options)
    tiled(wired, picture(64, 160), picture(64, 64, seed=1))
    assert wired["model"].patches_uuid == before and str(wired["model"].model_options) == options


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"overlap": 128}, "overlap of 128 pixels is more than half a tile of 128"),
        ({"content": torch.rand(3, 64, 64, 3), "style": torch.rand(2, 64, 64, 3)}, "3 contents and 2 styles"),
        ({"content": torch.rand(64, 64, 3)}, "content is"),
        ({"content": torch.rand(1, 7, 64, 3)}, "content has 64 x 7 pixels; at least 8 x 8"),
        ({"mask": torch.ones(3, 64, 64)}, "mask has shape"),
    ],
)
def test_what_does_not_fit_is_said(wired, more, match):
    content, style = more.pop("content", picture(64, 160)), more.pop("style", picture(64, 64))
    with pytest.raises(ValueError, match=match):
        tiled(wired, content, style, **more)


def test_what_has_a_place_on_the_whole_picture_is_refused_with_several_tiles(wired):
    conditioning = [[cross, {**extra, "area": (8, 8, 0, 0)}] for cross, extra in wired["conditioning"]]
    with pytest.raises(ValueError, match="areas for the whole picture"):
        tiled({**wired, "conditioning": conditioning}, picture(64, 256), picture(64, 64))
