"""Steady Frames: still places stop flickering, and what moves leaves no trail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cellstyle.equations.steady_frames import FOLLOWS, source_noise, steady_frames
from cellstyle.fidelity.flicker import flicker
from cellstyle.nodes.fidelity import CellStyleFidelity
from cellstyle.nodes.load_demo_model import CellStyleLoadDemoModel
from cellstyle.nodes.load_example import CellStyleLoadExample
from cellstyle.nodes.load_micrograph import CellStyleLoadMicrograph
from cellstyle.nodes.steady_frames import CellStyleSteadyFrames
from cellstyle.nodes.transfer_frames import CellStyleTransferFrames
from demo_graph import DEMO_MODEL
from scipy.ndimage import gaussian_filter
from workflow_files import nodes_of, read_api

SIDE, RADIUS = 96, 9


def ground() -> np.ndarray:
    """Bright cells on a dark, uneven ground."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    found = 0.1 + 0.3 * gaussian_filter(rng.random((SIDE, SIDE)), 6)
    for cy, cx in rng.integers(8, SIDE - 8, (9, 2)):
        found = np.where(np.hypot(y - cy, x - cx) < 7, 0.65, found)
    return gaussian_filter(found, 1)


def disc(n: int, speed: float = 12.0) -> np.ndarray:
    """(SIDE, SIDE), 1 in a disc that crosses the picture."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return (np.hypot(y - SIDE / 2, x - 14 - speed * n) < RADIUS).astype(float)


def scene(count: int, noise: float = 0.01, speed: float = 12.0, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """(frames, without noise) (F, H, W): photon noise over a still ground with a moving disc."""
    rng = np.random.default_rng(1)
    clean = np.stack([np.where(disc(n, speed) > 0, level, ground()) for n in range(count)])
    return clean + noise * np.sqrt(0.2 + clean) * rng.normal(size=clean.shape), clean


def as_image(frames: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.clip(frames, 0, 1), dtype=torch.float32)[..., None].repeat(1, 1, 1, 3)


def styled(clean: np.ndarray, amount: float = 0.05) -> np.ndarray:
    """A negative whose strokes reach some pixels around what is there, and flicker."""
    rng = np.random.default_rng(2)
    strokes = np.stack([gaussian_filter(rng.normal(size=frame.shape), 1.5) * 4 for frame in clean])
    return 0.9 - 0.8 * np.stack([gaussian_filter(frame, 2) for frame in clean]) + amount * strokes


def steadied(frames: torch.Tensor, source: torch.Tensor, strength: float = 0.8) -> torch.Tensor:
    return CellStyleSteadyFrames.execute(frames, source, strength).result[0]


def test_still_places_flicker_less_than_their_source_allows():
    source, clean = scene(8)
    x, y = as_image(source), as_image(styled(clean, amount=0.02))
    before, after = (flicker(list(x.numpy()), list(frames.numpy())) for frames in (y, steadied(y, x)))
    assert before > 1.8 and after < before / 2 and after < 1


@pytest.mark.parametrize("level", [0.9, 0.0, 0.35])
@pytest.mark.parametrize("speed", [12.0, 3.0, 0.5])
def test_a_moving_disc_leaves_no_trail(level, speed):
    """Neither at its own pixels nor where the style's strokes reach beyond them, however slowly it goes."""
    source, clean = scene(8, speed=speed, level=level)
    x, y = as_image(source), as_image(styled(clean, amount=0.0))
    result = steadied(y, x, 1.0)
    assert (result - y).abs().mean(-1)[:, 14:-14].max() < (0.02 if speed > 1 else 0.3)
    trail = (result[-1] - y[-1]).abs().mean(-1)
    left = torch.tensor(np.max([disc(n, speed) for n in range(7)], 0) - disc(7, speed) > 0)
    if left.any():
        assert trail[left].mean() < 0.02


def test_a_scene_that_ends_is_left_at_once():
    source, clean = scene(4)
    x, y = as_image(source), as_image(styled(clean))
    x[2:], y[2:] = 1 - x[2:], 1 - y[2:]
    torch.testing.assert_close(steadied(y, x)[2], y[2], atol=0.02, rtol=0)


def test_a_drift_too_slow_to_be_seen_adds_up():
    """Each step is within the noise of a frame; after all of them the result is where the source is."""
    rng = np.random.default_rng(3)
    level = np.linspace(0.3, 0.5, 41)[:, None, None] * np.ones((41, 48, 48))
    x = as_image(level + 0.01 * rng.normal(size=level.shape))
    result = steadied(as_image(1 - level), x, 1.0)
    assert (result[-1].mean() - (1 - 0.5)).abs() < FOLLOWS * 0.02


def test_noise_is_told_for_each_brightness_and_motion_is_not_taken_for_it():
    source, _ = scene(8)
    still, _ = scene(8, speed=0.0)
    moving, resting = source_noise(as_image(source)), source_noise(as_image(still))
    assert resting.levels[-1] > 1.4 * resting.levels[0]
    dark = torch.full((1,), 0.25)
    assert float(moving.at(dark) / resting.at(dark)) == pytest.approx(1, abs=0.15)


def test_strength_0_one_frame_and_equal_frames_are_left_alone():
    source, clean = scene(3)
    x, y = as_image(source), as_image(styled(clean))
    assert torch.equal(steadied(y, x, 0.0), y)
    assert torch.equal(steadied(y[:1], x[:1]), y[:1])
    same = y[:1].repeat(3, 1, 1, 1)
    torch.testing.assert_close(steadied(same, x), same)
    noise = source_noise(x)
    (first, *_) = steady_frames(y, x, 1.0, noise)
    assert torch.equal(first, y[0])


def test_a_source_of_another_size_and_small_pictures_do():
    source, clean = scene(3)
    y = as_image(styled(clean))
    assert steadied(y, as_image(source)[:, ::2, ::2]).shape == y.shape
    tiny = torch.rand(3, 4, 5, 3)  # smaller than what is blurred and reached over
    assert steadied(tiny, tiny).shape == tiny.shape


def test_what_does_not_fit_is_said():
    y = torch.rand(3, 16, 16, 3)
    with pytest.raises(ValueError, match="3 frames and 2 of the source do not fit"):
        steadied(y, y[:2])
    with pytest.raises(ValueError, match="source is"):
        steadied(y, y[0])


NODES = {
    node.__name__: node
    for node in (CellStyleLoadDemoModel, CellStyleLoadMicrograph, CellStyleLoadExample, CellStyleTransferFrames)
}
NODES |= {node.__name__: node for node in (CellStyleSteadyFrames, CellStyleFidelity)}


def outputs_of(graph: dict, number: str, known: dict) -> tuple:
    """What a node of a prompt gives, in this process; known: of nodes that have run."""
    if number not in known:
        node = graph[number]
        inputs = {
            name: outputs_of(graph, value[0], known)[value[1]] if isinstance(value, list) else value
            for name, value in node["inputs"].items()
        }
        known[number] = NODES[node["class_type"]].execute(**inputs).result
    return known[number]


@pytest.mark.skipif(not DEMO_MODEL.is_file(), reason="the embedded demo model is not in this checkout")
def test_the_template_of_a_time_lapse_is_nearly_as_calm_as_its_source():
    graph = read_api("time_lapse_to_video")
    (file,), (steady,), (report,) = (
        nodes_of(graph, f"CellStyle{x}") for x in ("LoadMicrograph", "SteadyFrames", "Fidelity")
    )
    known: dict = {}
    graph[file]["inputs"]["max_frames"] = 4
    images, mask, *rest = outputs_of(graph, file, known)
    known[file] = (images[:, :128, :128], mask[:, :128, :128], *rest)
    calm = outputs_of(graph, report, known)[-2]
    assert 0 < calm <= 1.5
    graph[steady]["inputs"]["strength"] = 0.0
    del known[steady], known[report]
    assert calm < 0.8 * outputs_of(graph, report, known)[-2]
