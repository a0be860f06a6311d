"""Rotary positions: moved and weighed as each network has them, and captions of other lengths."""

from __future__ import annotations

import pytest
import run_nodes as nodes
import torch
from cellstyle.attention_patch.architectures.choose import architecture_of
from cellstyle.attention_patch.architectures.flux import Flux
from cellstyle.attention_patch.architectures.token_features import pack_style, style_tokens, unpack_style
from cellstyle.equations.rotary import Rotary, move, turn, untwist, untwist_weights
from comfy_test_nodes.tiny_transformers import KINDS, tiny_latent, tiny_text
from transformer_runs import HERE, model_of, paper, transfer

LEARNT = ("sd3", "sd35m", "aura")
ROTATED = [kind for kind in HERE if kind not in LEARNT]
CAPTIONED = [kind for kind in ("zimage", "lumina2", "longcat") if kind in HERE]


def matrices(kind: str, network, grid: tuple[int, int]) -> torch.Tensor:
    """(h, w, D / 2, 2, 2), the network's own rotations of an image's tokens."""
    if kind == "anima":
        shape = (1, 1, *grid, 1)
        return network.pos_embedder.generate_embeddings(shape).unflatten(0, grid)
    embedder = network.rope_embedder if kind in ("zimage", "lumina2") else network.pe_embedder
    axes = len(embedder.axes_dim)
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    places = [torch.zeros_like(rows)] * (axes - 2) + [rows, columns]
    if kind == "flux2":  # time, height, width, and the text's own axis last
        places = [torch.zeros_like(rows), rows, columns, torch.zeros_like(rows)]
    found = embedder(torch.stack(places, -1).flatten(0, 1)[None].float())
    return found.reshape(*grid, -1, 2, 2)


def rotated(x: torch.Tensor, matrix: torch.Tensor, halves: bool) -> torch.Tensor:
    """x (..., D) by (..., D / 2, 2, 2)."""
    pairs = torch.stack(x.chunk(2, -1), -1) if halves else x.unflatten(-1, (-1, 2))
    turned = (matrix @ pairs[..., None])[..., 0]
    return torch.cat(turned.unbind(-1), -1) if halves else turned.flatten(-2)


@pytest.mark.parametrize("kind", ROTATED)
def test_a_moved_key_is_the_key_at_the_other_place(kind):
    architecture = architecture_of(model_of(kind))
    found, rotary = matrices(kind, architecture.network, (5, 12)), architecture.rotary
    x = torch.randn(5, 12, 2 * found.shape[2], generator=torch.Generator().manual_seed(0))
    offset = architecture.step(0, 7)
    moved = move(rotated(x, found, rotary.halves), rotary, turn(rotary, offset, x.device))
    there = rotated(x[:, :5], found[:, 7:], rotary.halves)
    assert torch.allclose(moved[:, :5], there, atol=1e-5)


@pytest.mark.parametrize("kind", CAPTIONED)
def test_a_style_under_a_longer_caption_is_turned_to_this_one(kind):
    """Layer 0 reads the picture alone, so that but for the turn its keys are the same. (8 x 8 tokens, which Z-Image
    does not fill up: its filling stands at place 0 whatever the caption is.)"""
    model, style = model_of(kind), tiny_latent(kind, 4, (8, 8))
    architecture, keys = architecture_of(model), []
    for tokens in (12, 40):
        style_kv, _ = nodes.capture(model, tiny_text(kind, tokens=tokens), style, 2, layers="double.0", storage="ram")
        level = style_kv.bank.level(1)  # the first that was climbed to, from the same latent
        keys.append(unpack_style(next(iter(level.tensors.values()))).k)
    if kind == "longcat" and torch.equal(*keys):
        pytest.skip("in this ComfyUI the text does not move the picture")
    longer = architecture.text_end(12) - architecture.text_end(40)
    offset = [longer * step for step in architecture.text_shift]
    turned = move(keys[1], architecture.rotary, turn(architecture.rotary, offset, keys[1].device))
    assert nodes.relative_error(keys[1], keys[0]) > 0.1
    assert nodes.relative_error(turned, keys[0]) <= 1e-5


@pytest.mark.parametrize("kind", CAPTIONED)
def test_a_styles_caption_may_be_of_any_length_whether_it_moves_the_picture_or_not(kind):
    """In one step the climb does not see the text, so that the style under either caption is one style."""
    model, text, style = model_of(kind), tiny_text(kind, tokens=12), tiny_latent(kind, 4, (8, 8))
    inverted, _, _ = nodes.invert(model, text, tiny_latent(kind, 3, (8, 8)), 1, refinement=0)
    results = []
    for tokens in (12, 40):
        caption = tiny_text(kind, tokens=tokens)
        style_kv, _ = nodes.capture(model, caption, style, 1, layers="double.0", storage="ram", refinement=0)
        results.append(nodes.sample(model, text, inverted, style_kv, gamma=0.0))
    assert nodes.relative_error(*results) <= 1e-5
    assert nodes.relative_error(nodes.sample(model, text, inverted, sigmas=style_kv.bank.sigmas), results[0]) > 1e-3


def test_a_caption_that_could_be_placed_either_way_is_refused():
    text_moves = Flux(model_of("longcat")).text_moves
    assert text_moves({"shift_y": 40.0}, 40) and not text_moves({"shift_y": 512.0}, 40)
    with pytest.raises(ValueError, match="one of them of 512 tokens"):
        text_moves({"shift_y": 512.0}, 512)


@pytest.mark.parametrize("kind", CAPTIONED)
def test_captions_of_other_lengths_are_turned_in_the_nodes(kind):
    model, content, style = model_of(kind), tiny_latent(kind, 3), tiny_latent(kind, 4)
    short, long = tiny_text(kind, tokens=12), tiny_text(kind, tokens=40)
    inverted, query, _ = nodes.invert(model, short, content, 3, layers="double.0")
    style_kv, _ = nodes.capture(model, long, style, 3, layers="double.0", storage="ram")
    again, _ = nodes.capture(model, long, style, 3, layers="double.0", storage="recompute")
    result, recomputed = (nodes.sample(model, short, inverted, kv, query, gamma=0.5) for kv in (style_kv, again))
    assert nodes.relative_error(recomputed, result) <= 1e-5
    two = [*short, *long]
    style_kv, _ = nodes.capture(model, two, style, 3, layers="double.0")
    with pytest.raises(ValueError, match="different lengths"):
        nodes.sample(model, short, inverted, style_kv, query, gamma=0.5)


@pytest.mark.parametrize("position", ["moved", "untwist"])
@pytest.mark.parametrize("kind", [kind for kind in ("flux", "zimage", "qwen", "anima") if kind in HERE])
def test_style_position_changes_the_styles_keys_alone(kind, position):
    model, text = model_of(kind), tiny_text(kind)
    content, style = tiny_latent(kind, 3), tiny_latent(kind, 4, (8, 5))
    architecture = architecture_of(model)
    rotary = architecture.rotary

    def change(k):
        if position == "untwist":
            return untwist(k, untwist_weights(rotary, k))
        return move(k.float(), rotary, turn(rotary, architecture.step(0, 8), k.device)).double()

    expected = paper(model, kind, content, style, text, change=change)
    result = transfer(model, content, style, text, KINDS[kind].layers, style_position=position)
    assert nodes.relative_error(result, expected) <= 1e-4
    assert nodes.relative_error(result, transfer(model, content, style, text, KINDS[kind].layers)) > 1e-3


@pytest.mark.parametrize("kind", [kind for kind in LEARNT if kind in HERE])
def test_learnt_positions_cannot_be_changed(kind):
    with pytest.raises(ValueError, match="no rotary positions"):
        transfer(model_of(kind), tiny_latent(kind), tiny_latent(kind), tiny_text(kind), style_position="moved")


def test_untwist_weighs_each_axis_from_its_highest_frequency_down():
    rotary = Rotary.of((6, 4), 100.0)
    keys = torch.ones(1, 12)
    weighed = untwist(keys, untwist_weights(rotary, keys, high=0.5))
    assert weighed[0].tolist() == [
        0.5,
        0.5,
        0.75,
        0.75,
        1,
        1,
        0.5,
        0.5,
        1,
        1,
        1,
        1,
    ]


@pytest.mark.parametrize("kind", [kind for kind in ("flux", "sd3") if kind in HERE])
def test_adain_of_the_queries_takes_the_styles_statistics(kind):
    model, text = model_of(kind), tiny_text(kind)
    content, style = tiny_latent(kind, 3), tiny_latent(kind, 4, (8, 5))
    seen = []

    def watch(func, q, k, v, heads, *args, **kwargs):
        q4 = q if kwargs.get("skip_reshape") else q.unflatten(-1, (heads, -1)).transpose(1, 2)
        seen.append(torch.std_mean(q4[:, :, -48:].float(), 2, correction=0))
        return func(q, k, v, heads, *args, **kwargs)

    under = model.clone()
    under.model_options["transformer_options"]["optimized_attention_override"] = watch
    layers = KINDS[kind].layers
    inverted, query, _ = nodes.invert(model, text, content, 2, layers=layers)
    style_kv, _ = nodes.capture(model, text, style, 2, layers=layers, storage="ram")
    nodes.sample(under, text, inverted, style_kv, query, gamma=0.0, tau=1.0, qk_adain=1.0)
    first = next(iter(style_kv.bank.layers))
    kept = unpack_style(style_kv.bank.level(0).tensors[first])
    std, mean = seen[0]
    assert torch.allclose(mean, kept.q_mean[:, :, 0], atol=1e-4)
    assert torch.allclose(std, kept.q_std[:, :, 0], atol=1e-3)
    half = nodes.sample(model, text, inverted, style_kv, query, gamma=0.3, qk_adain=0.5)
    again, _ = nodes.capture(model, text, tiny_latent(kind, 4), 2, layers=layers, storage="recompute")
    stored, _ = nodes.capture(model, text, tiny_latent(kind, 4), 2, layers=layers, storage="ram")
    inverted, query, _ = nodes.invert(model, text, content, 2, layers=layers, storage="recompute")
    ridden, kept = (nodes.sample(model, text, inverted, kv, query, gamma=0.3, qk_adain=0.5) for kv in (again, stored))
    assert nodes.relative_error(ridden, kept) <= 1e-5
    assert bool(torch.isfinite(half).all())


def test_what_is_kept_of_a_style_comes_back():
    q, k, v = (torch.randn(2, 3, 5, 8, generator=torch.Generator().manual_seed(i)) for i in range(3))
    found = unpack_style(pack_style(style_tokens(q, k, v)))
    assert torch.equal(found.k, k) and torch.equal(found.v, v)
    assert torch.allclose(found.q_mean, q.mean(2, keepdim=True))
