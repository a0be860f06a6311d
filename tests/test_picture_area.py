"""Where a crop of the picture finds its tokens."""

from __future__ import annotations

import pytest
import torch
from cellstyle.attention_patch.architectures.unet_injection import residual_of
from cellstyle.attention_patch.injected_call import InjectedCall
from cellstyle.attention_patch.picture_area import Area, areas_by_uuid, areas_of_call, crop_mask, crop_tokens
from cellstyle.attention_patch.sigma_dials import SigmaDials


def coordinates(height: int, width: int) -> torch.Tensor:
    """(1, height * width, 2): every token is its own row and column."""
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return torch.stack([rows, columns], -1).flatten(0, 1)[None]


@pytest.mark.parametrize(
    ("scale", "area"), [(1, Area(3, 5, 7, 6, 16, 24)), (2, Area(4, 6, 8, 10, 16, 24)), (4, Area(0, 8, 5, 9, 16, 24))]
)
def test_aligned_areas_take_the_very_tokens(scale, area):
    grid = (16 // scale, 24 // scale)
    wanted = (-(-area.height // scale), -(-area.width // scale))
    part = crop_tokens(coordinates(*grid), grid, area, wanted).unflatten(1, wanted)[0]
    expected = coordinates(*grid).unflatten(1, grid)[0]
    top, left = area.top // scale, area.left // scale
    assert torch.equal(part, expected[top : top + wanted[0], left : left + wanted[1]])


def test_an_area_between_tokens_takes_both_neighbours():
    part = crop_tokens(coordinates(8, 12), (8, 12), Area(3, 5, 8, 8, 16, 24), (4, 4))[0].unflatten(0, (4, 4))
    assert torch.equal(part[:, 0, 0], torch.arange(4) + 1.5)
    assert torch.equal(part[0, :, 1], torch.arange(4) + 2.5)


def test_a_picture_sampled_at_twice_the_size_takes_the_same_place():
    part = crop_tokens(coordinates(8, 8), (8, 8), Area(8, 0, 8, 16, 16, 16), (8, 16))[0].unflatten(0, (8, 16))
    assert torch.allclose(part[:7, 8, 0], torch.arange(7) / 2 + 3.75, atol=1e-5)
    assert torch.allclose(part[0, 1:15, 1], torch.arange(14) / 2 + 0.25, atol=1e-5)


def test_a_picture_that_another_node_has_shrunk():
    # 16 latent pixels on 5 tokens: an area of 8 from the middle on has 3 and starts between two
    part = crop_tokens(coordinates(5, 5), (5, 5), Area(8, 8, 8, 8, 16, 16), (3, 3))[0].unflatten(0, (3, 3))
    assert 2 < part[0, 0, 0] < 3
    assert part[-1, -1].tolist() == [4, 4]


def test_an_area_at_the_odd_edge_repeats_the_last_token():
    # 15 latent pixels have 8 tokens; an area of the last 5 pixels starts at token 5 and has 3
    part = crop_tokens(coordinates(8, 8), (8, 8), Area(10, 10, 5, 5, 15, 15), (3, 3))[0].unflatten(0, (3, 3))
    assert part[:, 0, 0].tolist() == [5, 6, 7]


def test_masks_are_cut_at_their_own_resolution():
    mask = torch.arange(128.0).expand(1, 64, 128)
    part = crop_mask(mask, Area(4, 8, 4, 4, 8, 16))
    assert part.shape == (1, 32, 32)
    assert part[0, 0, 0] == 64
    assert crop_mask(torch.ones(1, 1, 1), Area(4, 8, 4, 4, 8, 16)).shape == (1, 1, 1)


def test_areas_are_clipped_as_comfyui_clips_them():
    conds = [[{"uuid": "a", "area": (16, 16, 8, 0)}, {"uuid": "b"}], None]
    areas = areas_by_uuid(conds, (1, 4, 16, 24))
    assert areas == {"a": Area(8, 0, 8, 16, 16, 24), "b": Area(0, 0, 16, 24, 16, 24)}
    options = {"uuids": ["a", "a"]}
    assert areas_of_call(options, (2, 4, 8, 16), 2, areas) == [areas["a"]] * 2
    assert areas_of_call(options, (2, 4, 4, 4), 2, areas) == [None, None]
    assert areas_of_call({}, (1, 4, 6, 7), 1, {}) == [Area(0, 0, 6, 7, 6, 7)]


def test_residual_features_are_cut_to_the_areas_of_the_batch():
    areas = [Area(0, 0, 8, 8, 16, 16), Area(8, 8, 8, 8, 16, 16)]
    content = coordinates(4, 4).transpose(1, 2).unflatten(2, (4, 4))
    call = InjectedCall(None, SigmaDials(), frozenset(), [], None, 0.0, {}, None, 1, areas, {("output", 4): content})
    found = residual_of(call, ("output", 4), (2, 2), content)
    assert torch.equal(found, torch.cat([content[..., :2, :2], content[..., 2:, 2:]]))
    assert residual_of(call, ("output", 5), (2, 2), content) is None
