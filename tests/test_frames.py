"""Cell Style Transfer of Frames: groups of any size give the same frames, one palette, bounded memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from cellstyle.engine.dials import StyleSettings
from cellstyle.node_parts import transfer_inputs
from cellstyle.node_parts.transfer_inputs import split_dials
from cellstyle.nodes import transfer_frames
from cellstyle.nodes.transfer_frames import CellStyleTransferFrames
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model, tiny_vae
from patch_vae import PatchVae
from run_nodes import relative_error
from scipy.ndimage import gaussian_filter

SETTINGS = {
    "gamma": 0.75, "tau": 1.5, "strength": 1.0, "start": "noise-preserving", "steps": 2, "solver": "multistep",
    "spacing": "linspace", "refinement": 0, "gamma_curve": "constant", "gamma_end": 0.75, "storage": "ram",
    "frames_at_once": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def wired() -> dict:
    return {"model": tiny_model(), "conditioning": tiny_conditioning(), "vae": tiny_vae()}


def time_lapse(count: int, side: int = 64, noise: float = 0.01) -> torch.Tensor:
    """Bright nuclei on a dark ground, one of which moves; the camera's noise in every frame."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    ground = 0.15 + 0.1 * gaussian_filter(rng.random((side, side)), 4)
    for cy, cx in rng.integers(6, side - 6, (side // 8, 2)):
        ground = np.where(np.hypot(y - cy, x - cx) < side / 14, 0.7, ground)
    frames = []
    for n in range(count):
        frame = np.where(np.hypot(y - side / 2, x - side / 6 - n * side / 12) < side / 12, 0.95, ground)
        frame = gaussian_filter(frame, 1) + noise * rng.normal(size=frame.shape)
        frames.append(np.stack([frame * 0.6, frame, frame * 0.8], -1))
    return torch.tensor(np.clip(frames, 0, 1), dtype=torch.float32)


def style(side: int = 64) -> torch.Tensor:
    noise = gaussian_filter(np.random.default_rng(1).random((1, side, side, 3)), (0, 2, 2, 0))
    return torch.tensor((noise - noise.min()) / np.ptp(noise), dtype=torch.float32)


def run(wired, frames, **more) -> torch.Tensor:
    inputs = {"content": frames, "style": style(), **wired, **SETTINGS, **more}
    return CellStyleTransferFrames.execute(**inputs).result[0]


@pytest.mark.parametrize("mode", ["global", "noise-preserving"])
def test_groups_of_any_size_give_the_same_frames(wired, mode):
    frames = time_lapse(5)
    whole = run(wired, frames, frames_at_once=8, start=mode)
    assert whole.shape == frames.shape
    for size in (1, 2):
        assert relative_error(run(wired, frames, frames_at_once=size, start=mode), whole) < 1e-3


def test_equal_frames_stay_equal_and_have_one_palette(wired):
    """A frame alone would get the style's whole range, whatever its own brightness."""
    frame = time_lapse(1, noise=0)
    result = run(wired, torch.cat([frame, frame, frame * 0.3, frame]), frames_at_once=2)
    torch.testing.assert_close(result[0], result[1], atol=1e-3, rtol=0)  # rounding, which a random network amplifies
    torch.testing.assert_close(result[0], result[3], atol=1e-3, rtol=0)
    assert not torch.allclose(result[2], result[0], atol=1e-2)


HELD = StyleSettings(adain_rate=0.5, adain_end=1.0)


def test_held_colours_are_the_same_in_groups_of_any_size(wired):
    frames = time_lapse(3)
    whole = run(wired, frames, frames_at_once=8, settings=HELD)
    assert relative_error(whole, run(wired, frames)) > 1e-2
    for size in (1, 2):
        assert relative_error(run(wired, frames, frames_at_once=size, settings=HELD), whole) < 1e-3


def test_held_colours_of_a_scene_of_equal_frames_are_those_of_one_frame(wired):
    """One frame goes through the sampler's own AdaIN at every step, two through that of the whole."""
    frame = time_lapse(1, noise=0)
    one = run(wired, frame, settings=HELD)
    both = run(wired, frame.repeat(2, 1, 1, 1), frames_at_once=1, settings=HELD)
    # as many values have another divisor in their spread
    assert relative_error(both[1:], one) < 5e-3 < relative_error(run(wired, frame), one) / 5


FLAT_HELD = StyleSettings(adain_rate=0.5, adain_end=1.0, flat_background=1.0)


def test_a_background_is_the_scenes_whatever_the_groups_and_one_frames_own(wired):
    wired = {**wired, "vae": PatchVae()}
    frame = torch.from_numpy(np.random.default_rng(4).normal(0.3, 0.01, time_lapse(1).shape)).float()
    frame[:, 16:40, 16:40] = time_lapse(1)[:, 16:40, 16:40] * 0.5 + 0.5
    frames = torch.cat([frame, frame.roll(8, 2), frame.roll(16, 1)])
    whole = run(wired, frames, frames_at_once=8, settings=FLAT_HELD)
    assert relative_error(run(wired, frames, frames_at_once=2, settings=FLAT_HELD), whole) < 1e-3
    assert relative_error(run(wired, frames, settings=HELD), whole) > 1e-2
    one = run(wired, frame, settings=FLAT_HELD)
    both = run(wired, frame.repeat(2, 1, 1, 1), frames_at_once=1, settings=FLAT_HELD)
    assert relative_error(both[1:], one) < 5e-3


@pytest.mark.parametrize("at_once", [1, 4])
def test_at_full_rate_all_frames_together_have_the_styles_palette(wired, monkeypatch, at_once):
    latents = []

    def decoded(vae, latent):
        latents.append(latent)
        return transfer_inputs.decode(vae, latent)

    monkeypatch.setattr(transfer_frames, "decode", decoded)
    frames = time_lapse(3)
    frames[1] *= 0.4
    run(wired, frames, frames_at_once=at_once, settings=StyleSettings(adain_rate=1.0, adain_end=1.0))
    found, want = torch.cat(latents), wired["vae"].encode(style())
    torch.testing.assert_close(found.mean((0, 2, 3)), want.mean((0, 2, 3)), atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(
        found.movedim(1, 0).flatten(1).std(1), want.movedim(1, 0).flatten(1).std(1), atol=2e-3, rtol=2e-3
    )
    assert (found[1].mean((1, 2)) - found[0].mean((1, 2))).abs().max() > 2e-3


def test_a_preset_sets_the_dials_and_the_held_colours_and_leaves_the_rest():
    own = {k: v for k, v in SETTINGS.items() if k != "frames_at_once"}
    settings = StyleSettings(trained_size=512, adain_rate=0.1, adain_end=0.7)
    chosen = split_dials(**own, preset="balanced", speed="paper", settings=settings)
    assert (chosen.dials.gamma, chosen.dials.gamma_end, chosen.dials.gamma_curve) == (0.75, 0.3, "cosine")
    assert chosen.dials.fine == StyleSettings(trained_size=512, adain_rate=0.4, adain_end=1.0)
    fast = split_dials(**own, preset="balanced", speed="fast", settings=settings)
    assert fast.dials.fine == StyleSettings(trained_size=512, adain_rate=0.4, adain_end=1.0, flat_background=1.0)
    assert (chosen.inversion.steps, chosen.inversion.solver, chosen.start) == (50, "ddim", "global")
    alone = split_dials(**own, settings=StyleSettings(feature_strength=0.5, adain_end=0.7, adain_rate=0.1))
    assert alone.dials.fine == StyleSettings(feature_strength=0.5, adain_end=0.7, adain_rate=0.1)
    assert alone.inversion.residual_features and not alone.style_inversion.residual_features
    assert split_dials(**own).dials.fine == StyleSettings()


def test_the_network_sees_no_more_frames_than_it_may(wired):
    seen = []

    def look(apply_model, options):
        seen.append(options["input"].shape[0])
        return apply_model(options["input"], options["timestep"], **options["c"])

    model = wired["model"].clone()
    model.set_model_unet_function_wrapper(look)
    run({**wired, "model": model}, time_lapse(5), frames_at_once=2)
    assert max(seen) == 2


def test_what_does_not_fit_is_said(wired):
    with pytest.raises(ValueError, match="2 styles for one scene"):
        run(wired, time_lapse(2), style=style().repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match=r"adain_rate is 0\.5 and feature_strength 0\.3"):
        run(wired, time_lapse(2), settings=replace(HELD, feature_strength=0.3))
    with pytest.raises(ValueError, match="content is"):
        run(wired, time_lapse(2)[0])
