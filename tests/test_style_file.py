"""Style files: what is saved comes back."""

from __future__ import annotations

import copy
import dataclasses
import json
import os

import pytest
import torch
from cellstyle.features.wire_values import StyleMix
from cellstyle.style_file.style import read_style, write_style
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model
from run_nodes import adain, capture, invert, latent, sample
from safetensors import safe_open
from style_files import captured_style, load, save, style_folder_in


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """ComfyUI's folder of styles, empty."""
    return style_folder_in(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def captured():
    """model, conditioning, STYLE_KV and inverted LATENT of one style that is not square."""
    return captured_style()


def difference(bank, other) -> float:
    """The largest absolute difference of any feature."""
    assert bank.blocks.keys() == other.blocks.keys()
    return max(float((n.float() - other.blocks[layer].float()).abs().max()) for layer, n in bank.blocks.items())


def scale(bank) -> float:
    return max(float(block.abs().max()) for block in bank.blocks.values())


@pytest.mark.parametrize("kind", ["sd15", "sdxl", "sd2v"])
def test_a_compact_file_gives_the_captured_features_again(folder, kind):
    model, conditioning = tiny_model(kind), tiny_conditioning(kind)
    style_kv, inverted = capture(model, conditioning, latent(2, 4, 8, 12), steps=2, refinement=1)
    loaded, noise, _, _ = load(save(style_kv, inverted), model)
    assert torch.equal(noise["samples"], inverted["samples"])
    assert torch.equal(loaded.bank.sigmas, style_kv.bank.sigmas)
    assert torch.equal(loaded.bank.clean, style_kv.bank.clean)
    assert loaded.bank.grids == style_kv.bank.grids
    assert loaded.bank.layers == style_kv.bank.layers and loaded.bank.family == style_kv.bank.family
    assert difference(style_kv.bank, loaded.bank) <= 1e-6 * scale(style_kv.bank)


def test_a_full_file_gives_the_features_bit_for_bit_without_a_model(folder, captured):
    _, _, style_kv, inverted = captured
    loaded, noise, _, _ = load(save(style_kv, inverted, form="full"))
    assert difference(style_kv.bank, loaded.bank) == 0
    assert torch.equal(noise["samples"], inverted["samples"])


def test_fp16_files_are_half_as_large_and_round_once(folder, captured):
    _, _, style_kv, inverted = captured
    wide, narrow = (save(style_kv, inverted, name=p, form="full", precision=p) for p in ("fp32", "fp16"))
    loaded = load(narrow)[0].bank
    for layer, block in style_kv.bank.blocks.items():
        assert torch.equal(loaded.blocks[layer], block.half())
    assert os.path.getsize(folder / narrow) < 0.65 * os.path.getsize(folder / wide)


def test_a_compact_fp16_file_is_close(folder, captured):
    model, _, style_kv, inverted = captured
    loaded = load(save(style_kv, inverted, precision="fp16"), model)[0]
    assert difference(style_kv.bank, loaded.bank) < 0.02 * scale(style_kv.bank)


@pytest.mark.parametrize("form", ["compact", "full"])
def test_the_graph_gives_the_same_picture_with_a_loaded_style(folder, captured, form):
    model, conditioning, style_kv, style_noise = captured
    inverted, query, _ = invert(model, conditioning, latent(2, 4, 12, 8, seed=3), steps=2, layers="output.9-11")
    loaded, noise, _, _ = load(save(style_kv, style_noise, form=form), model)
    expected = sample(model, conditioning, adain(inverted, style_noise), style_kv, query)
    assert torch.allclose(sample(model, conditioning, adain(inverted, noise), loaded, query), expected, atol=1e-6)


def test_a_loaded_style_can_be_saved_again(folder, captured):
    model, _, style_kv, inverted = captured
    for form in ("compact", "full"):
        loaded, noise, _, _ = load(save(style_kv, inverted, form=form), model)
        again = save(loaded, noise, name="again", form="compact", overwrite=True)
        assert difference(style_kv.bank, load(again, model)[0].bank) <= 1e-6 * scale(style_kv.bank)


@pytest.mark.parametrize("form", ["compact", "full"])
def test_a_style_of_another_solver_says_so_and_gives_its_own_features(folder, form):
    model, conditioning = tiny_model(), tiny_conditioning()
    fast = {"steps": 4, "solver": "multistep", "spacing": "linspace"}
    style_kv, inverted = capture(model, conditioning, latent(1, 4, 9, 7), **fast)
    loaded, noise, _, info = load(save(style_kv, inverted, form=form), model)
    assert "solver multistep" in info and loaded.bank.solver == "multistep"
    assert torch.equal(loaded.bank.sigmas, style_kv.bank.sigmas)
    assert difference(style_kv.bank, loaded.bank) <= 1e-6 * scale(style_kv.bank)
    again, _, _, _ = load(save(loaded, noise, name="again", form=form), model)
    assert again.bank.solver == "multistep"


def test_a_strange_solver_is_only_a_text(folder, captured):
    _, _, style_kv, inverted = captured
    style = read_style(folder / save(style_kv, inverted, form="full"))
    for given, shown in (("a\x07 newer one", "solver a newer one"), (["x"], "solver ['x']"), ("x" * 99, "x" * 40)):
        style.record = dataclasses.replace(style.record, solver=given)
        info = load(write_style(iter([folder / "strange.safetensors"]), style, overwrite=True).name)[3]
        assert shown in info and "x" * 41 not in info


def test_a_compact_file_needs_the_model_and_says_so(folder, captured):
    _, _, style_kv, inverted = captured
    with pytest.raises(ValueError, match=r"style\.safetensors is a compact style file.*connect model"):
        load(save(style_kv, inverted))


@pytest.mark.parametrize("form", ["compact", "full"])
def test_a_file_for_another_kind_of_model_is_refused(folder, captured, form):
    _, _, style_kv, inverted = captured
    with pytest.raises(ValueError, match=r"another kind of model .*SDXL"):
        load(save(style_kv, inverted, form=form), tiny_model("sdxl"))


def test_texts_and_thumbnail_come_back(folder, captured):
    _, _, style_kv, inverted = captured
    texts = {"title": "Bambus im Nebel 竹", "author": "A. Person", "licence": "CC BY 4.0\nfrom the museum"}
    image = torch.zeros(1, 40, 80, 3)
    image[..., 0] = 1
    _, _, picture, info = load(save(style_kv, inverted, form="full", image=image, **texts))
    assert tuple(picture.shape) == (1, 40, 80, 3)
    assert torch.allclose(picture.mean((0, 1, 2)), torch.tensor([1.0, 0.0, 0.0]), atol=0.02)
    assert all(f"{name}: {text}" in info for name, text in texts.items())
    assert "steps: 2" in info and "output.9, output.10, output.11" in info and "latent: 12 x 8" in info


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_image_makes_a_small_thumbnail_and_none_makes_one_of_the_latent(folder, captured, channels):
    _, _, style_kv, inverted = captured
    big = torch.full((2, 900, 300, channels), float("nan"))
    assert tuple(load(save(style_kv, inverted, form="full", image=big))[2].shape) == (1, 256, 85, 3)
    assert tuple(load(save(style_kv, inverted, form="full"))[2].shape) == (1, 64, 96, 3)


def test_the_library_of_the_format_reads_the_file(folder, captured):
    _, _, style_kv, inverted = captured
    name = save(style_kv, inverted, form="full", precision="fp16", title="Ink")
    with safe_open(folder / name, "pt") as file:
        metadata = file.metadata()
        assert metadata["format"] == "cellstyle.style" and metadata["format_version"] == "1"
        assert metadata["title"] == "Ink" and metadata["pack_version"]
        facts = json.loads(metadata["style"])
        assert facts["shape"] == [1, 4, 8, 12] and len(facts["fingerprint"]) == 16
        assert torch.equal(file.get_tensor("clean"), style_kv.bank.clean)
        level, layer = 1, style_kv.bank.layers[0]
        stored = file.get_tensor(f"features.{level}.output.{layer.number}.0")
        assert torch.equal(stored, style_kv.bank.blocks[layer][level].half())


@pytest.mark.parametrize("moment", ["tensor", "rename"])
def test_a_save_that_fails_leaves_the_old_file_and_no_other(folder, captured, monkeypatch, moment):
    _, _, style_kv, inverted = captured
    file = save(style_kv, inverted, form="full")
    before = (folder / file).read_bytes()
    if moment == "rename":
        monkeypatch.setattr(os, "replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    else:
        style_kv = broken(style_kv)
    with pytest.raises(ValueError, match=r"No space left|NaN or infinite"):
        save(style_kv, inverted, form="full", overwrite=True)
    assert [path.name for path in folder.iterdir()] == [file]
    assert (folder / file).read_bytes() == before


def broken(style_kv):
    """The same style with one feature NaN."""
    bank = copy.copy(style_kv.bank)
    block = bank.blocks[bank.layers[0]].clone()
    block[1] = float("nan")
    bank.blocks = {**bank.blocks, bank.layers[0]: block}
    return dataclasses.replace(style_kv, bank=bank)


def test_values_too_large_for_fp16_are_named(folder, captured):
    _, _, style_kv, inverted = captured
    bank = copy.copy(style_kv.bank)
    bank.inputs = {level: x * 1e6 for level, x in bank.inputs.items()}
    large = dataclasses.replace(style_kv, bank=bank)
    with pytest.raises(ValueError, match="Set precision to fp32"):
        save(large, inverted, precision="fp16")
    save(large, inverted)


def test_a_blend_is_told_to_be_saved_style_by_style(folder, captured):
    _, _, style_kv, inverted = captured
    for blend in (StyleMix((style_kv, style_kv)), dataclasses.replace(style_kv, weight=0.5)):
        with pytest.raises(ValueError, match="Save each style before Cell Style Blend"):
            save(blend, inverted)


def test_noise_of_another_style_is_refused(folder, captured):
    _, _, style_kv, _ = captured
    with pytest.raises(ValueError, match="both outputs of the same"):
        save(style_kv, latent(1, 4, 8, 8))


def test_a_conditioning_with_more_than_a_text_can_only_be_saved_in_full(folder, captured):
    model, conditioning, _, _ = captured
    area = [conditioning[0], [conditioning[0][0], {"area": (4, 4, 0, 0), "strength": 1.0}]]
    style_kv, inverted = capture(model, area, latent(1, 4, 8, 8), steps=1, layers="output.11")
    with pytest.raises(ValueError, match="'area'"):
        save(style_kv, inverted)
    loaded, noise, _, _ = load(save(style_kv, inverted, form="full"))
    assert difference(style_kv.bank, loaded.bank) == 0
    with pytest.raises(ValueError, match="without the trajectory"):
        save(loaded, noise)


def test_numbers_of_an_sdxl_conditioning_are_kept(folder):
    model, conditioning = tiny_model("sdxl"), tiny_conditioning("sdxl")
    conditioning[0][1].update(width=2048, height=512, crop_w=64, crop_h=0, target_width=1024, target_height=1024)
    style_kv, inverted = capture(model, conditioning, latent(1, 4, 8, 8), steps=1)
    loaded = load(save(style_kv, inverted), model)[0]
    assert difference(style_kv.bank, loaded.bank) <= 1e-6 * scale(style_kv.bank)


def test_a_text_that_is_too_long_is_refused(folder, captured):
    _, _, style_kv, inverted = captured
    with pytest.raises(ValueError, match="title has 201 characters; at most 200"):
        save(style_kv, inverted, title="x" * 201)


def test_levels_that_end_above_zero_are_kept(folder, captured):
    model, conditioning, _, _ = captured
    sigmas = torch.tensor([9.5, 3.25, 0.7])
    style_kv, inverted = capture(model, conditioning, latent(1, 4, 8, 8), sigmas=sigmas, layers="output.11")
    loaded = load(save(style_kv, inverted), model)[0]
    assert torch.equal(loaded.bank.sigmas, sigmas)
    assert all(len(block) == 3 for block in loaded.bank.blocks.values())
    assert difference(style_kv.bank, loaded.bank) <= 1e-6 * scale(style_kv.bank)


def test_loading_draws_none_of_the_hosts_random_numbers(folder, captured):
    """Not even beside a node that draws some in every network call."""
    model, _, style_kv, inverted = captured
    file, drawing = save(style_kv, inverted), model.clone()

    def draw(apply_model, args):
        torch.rand(1)
        return apply_model(args["input"], args["timestep"], **args["c"])

    drawing.set_model_unet_function_wrapper(draw)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load(file, drawing)
    assert torch.equal(torch.rand(4), expected)
