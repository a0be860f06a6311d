"""The injection beside nodes that change how many tokens there are: HyperTile, Token Merging, Deep Shrink.

The style's keys and values stay whole; the content's queries are mixed in before the tokens are rearranged.
"""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.nodes.blend_styles import CellStyleBlend
from comfy_extras.nodes_hypertile import HyperTile
from comfy_extras.nodes_model_downscale import PatchModelAddDownscale
from comfy_extras.nodes_tomesd import TomePatchModel
from composition import STEPS, Scene, check_both_are_there, outputs


@pytest.fixture(scope="module")
def scene():
    with torch.inference_mode():
        return Scene()


def hypertile(model, swap_size: int = 1):
    """Tiles of 4 x 4 latent pixels, down to the second token grid; a swap size of 1 draws no random numbers."""
    return outputs(HyperTile.execute(model, 32, swap_size, 1, False))[0]


def merging(model):
    return outputs(TomePatchModel.execute(model, 0.5))[0]


def deep_shrink(model, end_percent: float = 0.6):
    return outputs(PatchModelAddDownscale.execute(model, 3, 2.0, 0.0, end_percent, True, "bicubic", "bicubic"))[0]


# HyperTile's tiles see the whole style where it is injected, so that its effect is in the other layers
INJECTED = "output.9-11"
OTHERS = {"HyperTile": hypertile, "TomePatchModel": merging, "PatchModelAddDownscale": deep_shrink}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("dials", [{}, {"gamma": 0.0}], ids=["queries", "no queries"])
def test_one_style(scene, name, dials):
    check_both_are_there(scene, OTHERS[name], lambda model: scene.inject(model, layers=INJECTED, **dials))


@pytest.mark.parametrize("name", OTHERS)
def test_a_blend_with_a_mask_and_styles_of_different_sizes(scene, name):
    left = torch.zeros(1, 128, 128)
    left[:, :, :64] = 1
    other = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 8, 16, seed=4), STEPS)[0]
    styles = {"style_1": scene.style_kv, "style_2": other}
    blend = CellStyleBlend.execute(styles, "", "replace", 0.0, {"mask_1": left}, {}).result[0]
    check_both_are_there(scene, OTHERS[name], lambda model: scene.inject(model, blend, layers=INJECTED))


def test_a_tile_sees_the_whole_style(scene):
    # with K and V whole for every tile, tiling changes nothing in the layers that are injected
    injected = scene.inject(scene.model, gamma=0.0, layers="output.9-11")
    tiled = injected.clone()

    def only_there(patch):
        def around(*args):
            options = args[-1]
            return (
                patch(*args)
                if options["block"][0] == "output" and options["block"][1] >= 9
                else (args[:-1] if len(args) > 2 else args[0])
            )

        return around

    patches = hypertile(scene.model).model_options["transformer_options"]["patches"]
    tiled.set_model_attn1_patch(only_there(patches["attn1_patch"][0]))
    tiled.set_model_attn1_output_patch(only_there(patches["attn1_output_patch"][0]))
    assert nodes.relative_error(scene.sample(tiled), scene.sample(injected)) < 1e-5


@pytest.mark.parametrize("name", ["HyperTile", "TomePatchModel"])
def test_a_batch_is_its_single_runs(name):
    scene = Scene(contents=2, styles=2)
    model, style = OTHERS[name](scene.model), scene.style["samples"]
    together = nodes.sample(model, scene.conditioning, scene.start, scene.style_kv, scene.query)
    for i in range(2):
        content = {"samples": scene.content["samples"][i : i + 1]}
        start, query, _ = nodes.invert(scene.model, scene.conditioning, content, STEPS)
        style_kv = nodes.capture(scene.model, scene.conditioning, {"samples": style[i : i + 1]}, STEPS)[0]
        alone = nodes.sample(model, scene.conditioning, start, style_kv, query)
        assert nodes.relative_error(together[i : i + 1], alone) < 1e-4


@pytest.mark.parametrize("name", ["HyperTile", "TomePatchModel"])
def test_the_model_may_be_captured_with_it(scene, name):
    # what is recorded are all tokens of the picture, from before they are rearranged
    model = OTHERS[name](scene.model)
    start, query, _ = nodes.invert(model, scene.conditioning, scene.content, STEPS)
    style_kv = nodes.capture(model, scene.conditioning, scene.style, STEPS)[0]
    assert query.bank.grids == scene.query.bank.grids
    assert torch.isfinite(nodes.sample(model, scene.conditioning, start, style_kv, query)).all()
    again = nodes.invert(model, scene.conditioning, scene.content, STEPS)
    assert torch.equal(again[0]["samples"], start["samples"])


def test_deep_shrink_that_changes_on_the_way_is_sampled_but_not_captured(scene):
    with pytest.raises(ValueError, match=r"changes the size of output\.6 from step to step.*PatchModelAddDownscale"):
        nodes.invert(deep_shrink(scene.model), scene.conditioning, scene.content, STEPS)
    whole_way = deep_shrink(scene.model, 1.0)
    start, query, _ = nodes.invert(whole_way, scene.conditioning, scene.content, STEPS)
    style_kv = nodes.capture(whole_way, scene.conditioning, scene.style, STEPS)[0]
    for model in (whole_way, scene.model):
        assert torch.isfinite(nodes.sample(model, scene.conditioning, start, style_kv, query)).all()


@pytest.mark.parametrize("name", ["HyperTile", "TomePatchModel"])
def test_random_choices_are_the_same_every_run(scene, name):
    model = hypertile(scene.model, swap_size=3) if name == "HyperTile" else merging(scene.model)
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = nodes.sample(model, scene.conditioning, scene.start, scene.style_kv, scene.query)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12)
    assert torch.equal(nodes.sample(model, scene.conditioning, scene.start, scene.style_kv, scene.query), first)
