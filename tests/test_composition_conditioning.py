"""The injection beside guidance, areas, masks and every way in which ComfyUI puts conditionings into one batch."""

from __future__ import annotations

import itertools

import pytest
import run_nodes as nodes
import torch
from cellstyle.features.level_recorder import LevelRecorder
from cellstyle.nodes.blend_styles import CellStyleBlend
from comfy_test_nodes.tiny_models import tiny_conditioning
from composition import PRESENT, STEPS, Scene, check_conditioning, one_conditioning_at_a_time

from nodes import ConditioningCombine, ConditioningSetArea, ConditioningSetMask

OTHER_TEXT = tiny_conditioning(seed=6)


@pytest.fixture(scope="module")
def scene():
    with torch.inference_mode():
        return Scene()


def area(conditioning, height: int, width: int, top: int, left: int) -> list:
    """ConditioningSetArea, in latent pixels."""
    return ConditioningSetArea().append(conditioning, width * 8, height * 8, left * 8, top * 8, 1.0)[0]


def masked(conditioning, mask: torch.Tensor, bounds: str = "default") -> list:
    return ConditioningSetMask().append(conditioning, mask, bounds, 1.0)[0]


def both(one: list, other: list) -> list:
    return ConditioningCombine().combine(one, other)[0]


def half(side: str) -> torch.Tensor:
    mask = torch.zeros(1, 128, 128)
    mask[:, :, slice(0, 64) if side == "left" else slice(64, 128)] = 1
    return mask


def conditionings(scene: Scene) -> dict[str, list]:
    plain = scene.conditioning
    return {
        "an area over the whole": both(plain, area(OTHER_TEXT, 8, 10, 3, 5)),
        "an area before the whole": both(area(OTHER_TEXT, 8, 10, 3, 5), plain),
        "areas only": both(area(plain, 16, 8, 0, 0), area(OTHER_TEXT, 16, 8, 0, 8)),
        "a mask": both(masked(plain, half("left")), masked(OTHER_TEXT, half("right"))),
        "mask bounds": both(plain, masked(OTHER_TEXT, half("right"), "mask bounds")),
        "two texts": both(plain, OTHER_TEXT),
    }


NAMES = ["an area over the whole", "an area before the whole", "areas only", "a mask", "mask bounds", "two texts"]


@pytest.mark.parametrize("name", NAMES)
def test_areas_and_masks(scene, name):
    check_conditioning(scene, conditionings(scene)[name])


@pytest.mark.parametrize("name", ["an area over the whole", "areas only", "mask bounds"])
def test_areas_and_masks_with_guidance(scene, name):
    check_conditioning(scene, conditionings(scene)[name], negative=scene.negative, cfg=7.0)


def test_guidance(scene):
    check_conditioning(scene, negative=scene.negative, cfg=7.0)
    injected = scene.inject(scene.model)
    assert torch.equal(scene.sample(injected, negative=scene.negative, cfg=1.0), scene.sample(injected))


class Queries:
    """An `attn1_patch` of another pack that looks at what the injection hands on: [(layer, kinds, query)]."""

    def __init__(self):
        self.seen = []

    def on(self, model):
        model = model.clone()
        model.set_model_attn1_patch(self.look)
        return model

    def look(self, n, context, value, extra_options):
        grid = tuple(extra_options["activations_shape"][-2:])
        self.seen.append((extra_options["block"], len(extra_options["cond_or_uncond"]), n.clone().unflatten(1, grid)))
        return n, context, value


def test_an_area_takes_the_contents_queries_of_its_place(scene):
    # with gamma 1 and tau 1 the query is the content's own hidden state
    queries = Queries()
    positive = both(area(scene.conditioning, 8, 6, 4, 2), area(OTHER_TEXT, 8, 6, 8, 10))
    scene.sample(queries.on(scene.inject(scene.model, gamma=1.0, tau=1.0, layers="output.6, output.9")), positive)
    features = scene.query.bank.level(0).tensors
    checked = 0
    for block, chunks, query in queries.seen[:7]:  # the layers of the first network call
        layer = next((layer for layer in features if (layer.block, layer.number) == block), None)
        if layer is None or block[1] not in (6, 9):
            continue
        assert chunks == 2  # two areas of one size share a network call
        scale = 2 if block[1] == 6 else 1
        whole = features[layer].unflatten(1, (16 // scale, 16 // scale))[0]
        places = [whole[y // scale : (y + 8) // scale, x // scale : (x + 6) // scale] for y, x in ((4, 2), (8, 10))]
        found = [part[0] for part in query.chunk(2)]
        assert any(torch.equal(found[0], a) and torch.equal(found[1], b) for a, b in (places, places[::-1]))
        checked += 1
    assert checked == 2


def test_areas_that_share_a_network_call_are_told_apart(scene):
    positive = both(area(scene.conditioning, 16, 8, 0, 0), area(OTHER_TEXT, 16, 8, 0, 8))
    model = scene.inject(scene.model)
    together = scene.sample(model, positive, negative=scene.negative, cfg=3.0)
    model.set_model_unet_function_wrapper(one_conditioning_at_a_time)
    assert nodes.relative_error(scene.sample(model, positive, negative=scene.negative, cfg=3.0), together) < 1e-5


def test_a_blends_mask_is_cut_to_the_area(scene):
    # the areas tile the picture and their network calls see nothing of each other
    positive = both(area(scene.conditioning, 16, 8, 0, 0), area(scene.conditioning, 16, 8, 0, 8))
    blend = CellStyleBlend.execute(
        {"style_1": scene.style_kv}, "", "replace", 0.0, {"mask_1": half("left")}, {}
    ).result[0]
    result = scene.sample(scene.inject(scene.model, blend), positive)
    everywhere = scene.sample(scene.inject(scene.model), positive)
    nowhere = scene.sample(scene.model, positive)
    assert nodes.relative_error(result[..., :8], everywhere[..., :8]) < 1e-5
    assert nodes.relative_error(result[..., 8:], nowhere[..., 8:]) < 1e-5


def test_tiles_that_another_node_cuts_are_refused_while_the_place_matters(scene):
    def in_tiles(apply_model, args):
        return torch.cat([apply_model(part, args["timestep"], **args["c"]) for part in args["input"].chunk(2, -1)], -1)

    model = scene.inject(scene.model)
    model.set_model_unet_function_wrapper(in_tiles)
    with pytest.raises(ValueError, match="shows the network a cut or resized picture"):
        scene.sample(model)
    model = scene.inject(scene.model, gamma=0.0)
    model.set_model_unet_function_wrapper(in_tiles)
    assert torch.isfinite(scene.sample(model)).all()


class TestCapture:
    def test_the_whole_picture_is_recorded_whatever_areas_come_with_it(self, scene):
        extra = area(OTHER_TEXT, 8, 10, 3, 5)
        for positive in (both(scene.conditioning, extra), both(extra, scene.conditioning)):
            bank = nodes.invert(scene.model, positive, scene.content, STEPS)[1].bank
            assert bank.grids == scene.query.bank.grids
            # the first call of an inversion sees the same latent, whatever the areas add to its prediction
            for layer, n in scene.query.bank.level(STEPS - 1).tensors.items():
                assert torch.equal(bank.blocks[layer][STEPS - 1], n)

    def test_areas_alone_are_refused(self, scene):
        positive = conditionings(scene)["areas only"]
        for run in (nodes.invert, nodes.capture):
            with pytest.raises(ValueError, match="saw only parts of the picture"):
                run(scene.model, positive, scene.content, STEPS)


def reordered(order: tuple[int, ...]):
    """A UNet function wrapper that hands the network its chunks in another order, and the results back in the old."""

    def around(apply_model, args):
        count = len(args["cond_or_uncond"])
        if count != len(order):
            return apply_model(args["input"], args["timestep"], **args["c"])

        def shuffled(x, by=order):
            parts = x.chunk(count)
            return torch.cat([parts[i] for i in by])

        options = args["c"]["transformer_options"]
        options = {**options, **{key: [options[key][i] for i in order] for key in ("cond_or_uncond", "uuids")}}
        c = {**args["c"], "c_crossattn": shuffled(args["c"]["c_crossattn"]), "transformer_options": options}
        result = apply_model(shuffled(args["input"]), shuffled(args["timestep"]), **c)
        orders.add(tuple(options["cond_or_uncond"]))
        return shuffled(result, [order.index(i) for i in range(count)])

    orders = set()
    around.orders = orders
    return around


@pytest.mark.parametrize("kind", ["one style", "a blend"])
def test_a_batch_in_every_order(kind):
    scene = Scene(contents=2, styles=2)
    positive = both(scene.conditioning, OTHER_TEXT)
    style = scene.style_kv
    if kind == "a blend":
        second = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 8, 16, seed=4), STEPS)[0]
        styles = {"style_1": style, "style_2": second}
        style = CellStyleBlend.execute(styles, "", "replace", 0.0, {"mask_1": half("left")}, {}).result[0]
    sampling = {"positive": positive, "negative": scene.negative, "cfg": 3.0}
    expected = scene.sample(scene.inject(scene.model, style), **sampling)
    seen = set()
    for order in itertools.permutations(range(3)):
        model = scene.inject(scene.model, style)
        wrapper = reordered(order)
        model.set_model_unet_function_wrapper(wrapper)
        assert nodes.relative_error(scene.sample(model, **sampling), expected) < 1e-5
        seen |= wrapper.orders
    assert seen == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}


@pytest.mark.parametrize(
    ("kinds", "chunk"),
    [([0], slice(0, 2)), ([1, 0], slice(2, 4)), ([0, 1], slice(0, 2)), ([1, 0, 0], slice(2, 4)), ([1], None)],
)
def test_a_recording_takes_a_positive_in_every_order(scene, kinds, chunk):
    recorder = LevelRecorder(scene.query.bank)
    assert recorder.rows_of((2 * len(kinds), 4, 16, 16), {"cond_or_uncond": kinds}) == chunk
    assert recorder.rows_of((2 * len(kinds), 4, 16, 8), {"cond_or_uncond": kinds}) is None


def test_a_noise_mask(scene):
    content = {**scene.start, "noise_mask": half("right")}
    plain = nodes.sample(scene.model, scene.conditioning, content, None, scene.query)
    result = nodes.sample(scene.model, scene.conditioning, content, scene.style_kv, scene.query)
    unmasked = nodes.sample(scene.model, scene.conditioning, scene.start, scene.style_kv, scene.query)
    clean = scene.content["samples"]
    assert nodes.relative_error(result[..., :7], clean[..., :7]) < 1e-5
    assert nodes.relative_error(result[..., 9:], plain[..., 9:]) > PRESENT
    assert nodes.relative_error(result, unmasked) > PRESENT
    assert torch.equal(nodes.sample(scene.model, scene.conditioning, content, None, scene.query), plain)
    assert torch.equal(
        nodes.sample(scene.model, scene.conditioning, scene.start, scene.style_kv, scene.query), unmasked
    )
