"""Several styles: weights interpolate, masks place, one style is the plain injection."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.equations.style_blend import (
    branch_weights,
    mask_on_grid,
    part_of_style,
    sum_branches,
)
from cellstyle.nodes.apply_style import CellStyleApply
from cellstyle.nodes.blend_styles import CellStyleBlend
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model


def blend(*styles, weights="", mode="replace", share_bias=0.0, masks=None, source_masks=None):
    return CellStyleBlend.execute(
        {f"style_{i}": style for i, style in enumerate(styles, 1)},
        weights,
        mode,
        share_bias,
        {f"mask_{i}": m for i, m in (masks or {}).items()},
        {f"source_mask_{i}": m for i, m in (source_masks or {}).items()},
    ).result[0]


@pytest.fixture(scope="module")
def scene():
    class Scene:
        model, conditioning = tiny_model(), tiny_conditioning()

        def run(self, style, **dials):
            return nodes.sample(self.model, self.conditioning, self.start, style, self.query, **dials)

    scene = Scene()
    with torch.inference_mode():
        content = nodes.latent(1, 4, 16, 24, seed=1)
        scene.start, scene.query, scene.sigmas = nodes.invert(scene.model, scene.conditioning, content)
        # of different sizes, so that the branches have different numbers of tokens
        scene.a = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 16, 16, seed=2))[0]
        scene.b = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 24, 16, seed=3))[0]
        scene.same = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 16, 16, seed=4))[0]
        scene.only_a, scene.only_b = scene.run(scene.a), scene.run(scene.b)
        scene.plain = scene.run(None)
    return scene


def test_one_style_without_mask_is_the_plain_injection_bit_for_bit(scene):
    assert blend(scene.a) is not None
    assert torch.equal(scene.run(blend(scene.a)), scene.only_a)
    assert torch.equal(scene.run(blend(scene.a, weights="1")), scene.only_a)


@pytest.mark.parametrize("other", ["b", "same"])
def test_weights_interpolate_from_one_style_to_the_other(scene, other):
    second = getattr(scene, other)
    end = scene.run(second)
    results = [scene.run(blend(scene.a, second, weights=f"{1 - w}, {w}")) for w in (0, 0.25, 0.5, 0.75, 1)]
    to_a = [nodes.relative_error(r, scene.only_a) for r in results]
    to_b = [nodes.relative_error(r, end) for r in results]
    assert to_a == sorted(to_a)
    assert to_b == sorted(to_b, reverse=True)
    assert to_a[0] < 1e-4
    assert to_b[-1] < 1e-4


def test_a_masked_region_shows_its_style_only(scene):
    # where it acts: the attention. Left half style a, right half style b
    left = torch.zeros(1, 128, 192)
    left[:, :, :96] = 1
    n = torch.randn(1, 16 * 24, 32)
    shares, rest = branch_weights([1.0, 1.0], [left, 1 - left], (16, 24), 1, n.device, n.dtype)
    outputs = torch.cat([torch.full_like(n, 1.0), torch.full_like(n, 2.0)])
    image = sum_branches(outputs, shares)[0, :, 0].view(16, 24)
    assert torch.equal(image[:, :12], torch.ones(16, 12))
    assert torch.equal(image[:, 12:], torch.full((16, 12), 2.0))
    assert not rest.any()


def test_masks_place_styles_in_the_result(scene):
    left = torch.zeros(1, 128, 192)
    left[:, :, :96] = 1
    everywhere = scene.run(blend(scene.a, scene.b, masks={1: torch.ones(1, 8, 8), 2: torch.zeros(1, 8, 8)}))
    assert nodes.relative_error(everywhere, scene.only_a) < 1e-4
    nowhere = scene.run(blend(scene.a, masks={1: torch.zeros(1, 8, 8)}))
    assert nodes.relative_error(nowhere, scene.plain) < 1e-4
    both = scene.run(blend(scene.a, scene.b, masks={1: left, 2: 1 - left}))

    def side(x, where):
        return x[..., 2:10] if where == "left" else x[..., 14:22]

    for where, near, far in (("left", scene.only_a, scene.only_b), ("right", scene.only_b, scene.only_a)):
        distance = nodes.relative_error(side(both, where), side(near, where))
        assert distance < nodes.relative_error(side(both, where), side(far, where))


def test_what_the_weights_leave_over_is_the_images_own_attention(scene):
    results = [scene.run(blend(scene.a, weights=str(w))) for w in (0.25, 0.5, 0.75, 1.0)]
    to_plain = [nodes.relative_error(r, scene.plain) for r in results]
    assert to_plain == sorted(to_plain)


def test_soft_edges_are_respected():
    ramp = torch.linspace(0, 1, 64).expand(1, 64, 64)
    tokens = mask_on_grid(ramp, (8, 8)).view(8, 8)
    assert torch.allclose(tokens[0], ramp[0, 0].view(8, 8).mean(1), atol=1e-6)
    shares, rest = branch_weights([1.0], [ramp], (8, 8), 1, "cpu", torch.float32)
    assert torch.allclose(shares[0] + rest, torch.ones(1, 64, 1))


def test_a_source_mask_keeps_only_its_tokens():
    n = torch.arange(16.0).view(1, 16, 1)
    mask = torch.zeros(1, 4, 4)
    mask[:, 2:, 2:] = 1
    assert part_of_style(n, mask, (4, 4)).flatten().tolist() == [10, 11, 14, 15]
    # a mask finer than a token still gives its place
    tiny = torch.zeros(1, 64, 64)
    tiny[:, 50, 3] = 1
    assert part_of_style(n, tiny, (4, 4)).flatten().tolist() == [12]


def test_a_source_mask_changes_the_result_and_a_full_one_does_not(scene):
    part = torch.zeros(1, 32, 32)
    part[:, :, :8] = 1
    assert nodes.relative_error(scene.run(blend(scene.a, source_masks={1: torch.ones(1, 32, 32)})), scene.only_a) < 1e-4
    assert nodes.relative_error(scene.run(blend(scene.a, source_masks={1: part})), scene.only_a) > 1e-3


def test_share_leaks_less_and_its_bias_goes_from_own_to_replace(scene):
    results = [scene.run(blend(scene.a, mode="share", share_bias=b)) for b in (-10.0, -2.0, 0.0, 2.0, 10.0)]
    to_style = [nodes.relative_error(r, scene.only_a) for r in results]
    assert to_style == sorted(to_style, reverse=True)
    assert to_style[-1] < 0.05 * to_style[0]


def test_a_blend_is_batch_invariant_and_works_with_guidance(scene):
    model, conditioning = scene.model, scene.conditioning
    content = nodes.latent(2, 4, 16, 16, seed=5)
    start, query, _ = nodes.invert(model, conditioning, content)
    mask = torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0))
    mixed = blend(scene.a, scene.b, masks={1: mask, 2: 1 - mask})
    together = nodes.sample(model, conditioning, start, mixed, query)
    guided = nodes.sample(model, conditioning, start, mixed, query, negative=conditioning, cfg=3.0)
    assert nodes.relative_error(guided, together) < 1e-4
    for i in range(2):
        one_start, one_query, _ = nodes.invert(model, conditioning, {"samples": content["samples"][i : i + 1]})
        one = blend(scene.a, scene.b, masks={1: mask[i : i + 1], 2: 1 - mask[i : i + 1]})
        alone = nodes.sample(model, conditioning, one_start, one, one_query)
        assert nodes.relative_error(together[i : i + 1], alone) < 1e-4


def test_apply_with_euler_on_the_inversions_sigmas_is_the_sampler_bit_for_bit(scene):
    import comfy.sample

    for style in (scene.a, blend(scene.a, scene.b)):
        patched = CellStyleApply.execute(scene.model, style, scene.query, **nodes.DIALS).result[0]
        for name in ("euler", "ddim"):
            result = comfy.sample.sample_custom(
                patched,
                torch.zeros_like(scene.start["samples"]),
                1.0,
                comfy.samplers.sampler_object(name),
                scene.sigmas,
                scene.conditioning,
                scene.conditioning,
                scene.start["samples"],
                seed=0,
            )
            assert torch.equal(result, scene.run(style))


@pytest.mark.parametrize("name", ["heun", "dpmpp_2m", "lms", "deis", "uni_pc"])
def test_apply_runs_with_other_deterministic_samplers_and_schedules(scene, name):
    import comfy.sample

    patched = CellStyleApply.execute(scene.model, scene.a, scene.query, **nodes.DIALS).result[0]
    results = [
        comfy.sample.sample_custom(
            model,
            torch.zeros_like(scene.start["samples"]),
            1.0,
            comfy.samplers.sampler_object(name),
            scene.sigmas,
            scene.conditioning,
            scene.conditioning,
            scene.start["samples"],
            seed=0,
        )
        for model in (patched, scene.model)
    ]
    assert torch.isfinite(results[0]).all()
    assert nodes.relative_error(*results) > 1e-4


def test_another_packs_patches_are_chained(scene):
    seen = []

    def before(n, context, value, extra_options):
        seen.append("before")
        return n, context, value

    def replacer(q, k, v, extra_options):
        seen.append("replacer")
        return (
            torch.nn.functional.scaled_dot_product_attention(
                *(x.unflatten(-1, (extra_options["n_heads"], -1)).transpose(1, 2) for x in (q, k, v))
            )
            .transpose(1, 2)
            .flatten(2)
        )

    model = scene.model.clone()
    model.set_model_attn1_patch(before)
    model.set_model_attn1_replace(replacer, "output", 9)
    result = nodes.sample(model, scene.conditioning, scene.start, scene.a, scene.query)
    assert {"before", "replacer"} == set(seen)
    assert nodes.relative_error(result, scene.only_a) < 1e-4
    # a blend whose styles differ in size cannot reach through a replaced attention, and says so
    with pytest.raises(ValueError, match="replaces the attention of output"):
        nodes.sample(model, scene.conditioning, scene.start, blend(scene.a, scene.b), scene.query)
    # styles and content of one size need no bias and pass through it
    nodes.sample(model, scene.conditioning, scene.start, blend(scene.a, scene.same), scene.query)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": "1, 2, 3"}, "3 numbers for 2 styles"),
        ({"weights": "lots"}, "not a list of numbers"),
        ({"weights": "-1, 1"}, "0 or more"),
        ({"weights": "0, 0"}, "above 0"),
        ({"weights": "nan, 1"}, "0 or more"),
        ({"masks": {3: torch.ones(1, 4, 4)}}, "mask_3 is connected, but style_3 is not"),
        ({"masks": {1: torch.full((1, 4, 4), float("nan"))}}, "NaN"),
    ],
)
def test_what_cannot_be_blended_is_refused_in_words(scene, arguments, message):
    with pytest.raises(ValueError, match=message):
        blend(scene.a, scene.b, **arguments)


def test_styles_of_different_layers_or_models_are_refused(scene):
    few = nodes.capture(scene.model, scene.conditioning, nodes.latent(1, 4, 8, 8), layers="output.9-11")[0]
    with pytest.raises(ValueError, match="different layers"):
        blend(scene.a, few)
    other = nodes.capture(tiny_model("sdxl"), tiny_conditioning("sdxl"), nodes.latent(1, 4, 8, 8))[0]
    with pytest.raises(ValueError, match="different kinds of models"):
        blend(scene.a, other)
    with pytest.raises(ValueError, match="no style is connected"):
        blend()


@pytest.mark.parametrize(
    ("name", "stochastic"),
    [
        ("euler", False),
        ("ddim", False),
        ("heun", False),
        ("dpmpp_2m", False),
        ("euler_ancestral", True),
        ("dpmpp_2m_sde", True),
        ("dpmpp_3m_sde", True),
        ("lcm", True),
        ("ddpm", True),
    ],
)
def test_a_stochastic_sampler_is_told_apart(scene, name, stochastic, caplog):
    import comfy.sample

    patched = CellStyleApply.execute(scene.model, scene.a, scene.query, **nodes.DIALS).result[0]
    comfy.sample.sample_custom(
        patched,
        torch.zeros_like(scene.start["samples"]),
        1.0,
        comfy.samplers.sampler_object(name),
        scene.sigmas[-3:],
        scene.conditioning,
        scene.conditioning,
        scene.start["samples"],
        seed=0,
    )
    assert ("adds fresh noise at every step" in caplog.text) == stochastic
