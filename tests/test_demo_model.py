"""The embedded demo model: ComfyUI's own objects, a faithful VAE, and clear words for every broken weights file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cellstyle.demo_model import weights
from cellstyle.demo_model.load import load_demo_model
from cellstyle.nodes.load_demo_model import CellStyleLoadDemoModel
from run_nodes import adain, capture, invert, sample
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def demo():
    return CellStyleLoadDemoModel.execute().result


@pytest.fixture(scope="module")
def tissue() -> torch.Tensor:
    """(1, 128, 128, 3): a crop of scikit-image's tissue section."""
    data = pytest.importorskip("skimage.data")
    return torch.from_numpy(data.immunohistochemistry()[100:228, 100:228] / np.float32(255))[None]


def psnr(x: torch.Tensor, y: torch.Tensor) -> float:
    return -10 * float((x - y).square().mean().log10())


def test_vae_keeps_a_tissue_section(demo, tissue):
    vae = demo[2]
    latent = vae.encode(tissue)
    assert latent.shape == (1, 16, 16, 16)
    assert psnr(vae.decode(latent), tissue) >= 24


def test_vae_in_tiles_agrees_with_the_whole(demo, tissue):
    vae = demo[2]
    whole = vae.decode(vae.encode(tissue))
    tiled = vae.decode_tiled(vae.encode(tissue), tile_x=12, tile_y=12, overlap=4)
    assert psnr(tiled, whole) >= 35


def test_unet_has_sd15_layers_and_predicts_noise(demo):
    model = demo[0].model
    assert len(model.diffusion_model.output_blocks) == 12
    z = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    for t in (50, 500, 950):
        sigma = model.model_sampling.sigmas[t]
        denoised = model.apply_model(sigma * z, sigma[None], c_crossattn=demo[1][0][0])
        predicted = (sigma * z - denoised) / sigma
        assert torch.isfinite(predicted).all()
        if t == 950:  # nothing but noise: the network must say so
            assert (predicted - z).square().mean() < 0.5


def test_empty_latents_and_previews(demo):
    import comfy.sample
    import latent_preview

    model, conditioning, _ = demo
    empty = comfy.sample.fix_empty_latent_channels(model, torch.zeros(1, 4, 8, 8))
    assert empty.shape[1] == 16
    noise = torch.randn(empty.shape, generator=torch.Generator().manual_seed(0))
    latent = comfy.sample.sample(
        *(model, noise, 2, 1.0, "euler", "normal", conditioning, conditioning, empty), disable_pbar=True
    )
    assert torch.isfinite(latent).all()
    space = model.get_model_object("latent_format")
    previewer = latent_preview.Latent2RGBPreviewer(space.latent_rgb_factors, space.latent_rgb_factors_bias)
    assert previewer.decode_latent_to_preview(space.process_in(latent)).size == (8, 8)
    assert torch.allclose(space.process_out(space.process_in(latent)), latent, atol=1e-5)


def test_refined_round_trip_is_faithful(demo, tissue):
    model, conditioning, vae = demo
    latent = {"samples": vae.encode(tissue)}
    start, query, _ = invert(model, conditioning, latent, steps=6, refinement=1)
    back = sample(model, conditioning, start, content_query=query)
    assert psnr(vae.decode(back), vae.decode(latent["samples"])) >= 26


def test_injection_changes_more_than_the_palette(demo, tissue):
    model, conditioning, vae = demo
    style = torch.zeros_like(tissue)
    style[:, ::8] = style[:, :, ::8] = 1
    start, query, _ = invert(model, conditioning, {"samples": vae.encode(tissue)}, steps=4)
    features, style_start = capture(model, conditioning, {"samples": vae.encode(style)}, steps=4)
    start = adain(start, style_start)
    plain = vae.decode(sample(model, conditioning, start, content_query=query))
    injected = vae.decode(sample(model, conditioning, start, features, query, gamma=0.3, gamma_end=0.3))
    assert (plain - injected).abs().mean() > 0.01


def test_missing_file(tmp_path):
    with pytest.raises(ValueError, match="missing"):
        load_demo_model(tmp_path / "none.safetensors")


def test_git_lfs_pointer(tmp_path):
    path = tmp_path / "pointer.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(ValueError, match="git lfs pull"):
        load_demo_model(path)


@pytest.mark.parametrize("keep", [0, 5, 1000, -1000])
def test_truncated_file(tmp_path, keep):
    path = tmp_path / "short.safetensors"
    path.write_bytes(weights.WEIGHTS.read_bytes()[:keep])
    with pytest.raises(ValueError, match="truncated or damaged"):
        load_demo_model(path)


def test_one_flipped_bit(tmp_path):
    path = tmp_path / "flipped.safetensors"
    content = bytearray(weights.WEIGHTS.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        load_demo_model(path)


def test_someone_elses_file(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="not a CellStyle demo model"):
        load_demo_model(path)


def test_a_part_is_missing(tmp_path):
    path = tmp_path / "partial.safetensors"
    tensors, _ = weights.read()
    tensors = {k: v for k, v in tensors.items() if "middle_block" not in k}
    save_file(tensors, path, {"format": weights.FORMAT, "checksum": weights.checksum(tensors)})
    with pytest.raises(ValueError, match="lacks a part"):
        load_demo_model(path)


@pytest.fixture
def rewritten(tmp_path):
    """The shipped tensors in a file with other notes."""

    def write(**notes: str):
        tensors, own = weights.read()
        kept = {name: own[name] for name in ("version",)}
        path = tmp_path / "rewritten.safetensors"
        save_file(tensors, path, {"format": weights.FORMAT, "checksum": weights.checksum(tensors), **kept, **notes})
        return path

    return write


def norm_groups(model) -> set[int]:
    return {m.num_groups for m in model.model.diffusion_model.modules() if isinstance(m, torch.nn.GroupNorm)}


def test_the_file_says_what_its_unet_predicts_and_how_its_norms_are_grouped(rewritten):
    import comfy.model_base

    types = comfy.model_base.ModelType
    model, _, _ = load_demo_model(rewritten(unet_prediction="v", unet_norm_groups="8"))
    assert model.model.model_type == types.V_PREDICTION and norm_groups(model) == {8}
    model, _, _ = load_demo_model(rewritten(unet_prediction="eps", unet_norm_groups="16"))
    assert model.model.model_type == types.EPS and norm_groups(model) == {16}


def test_files_of_earlier_versions_predict_noise_with_comfyuis_norms(rewritten):
    import comfy.model_base

    model, _, _ = load_demo_model(rewritten(format="cellstyle-demo-1"))
    assert model.model.model_type == comfy.model_base.ModelType.EPS and norm_groups(model) == {32}


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({"unet_prediction": "flow"}, "predicts 'flow'"),
        ({"unet_norm_groups": "many"}, "'many' as its norm groups"),
        ({"unet_norm_groups": "0"}, "'0' as its norm groups"),
        ({"unet_norm_groups": "7"}, "7 norm groups do not divide"),
        ({"format": "cellstyle-demo-3"}, "not a CellStyle demo model that this version reads"),
    ],
)
def test_what_a_later_version_may_write_is_refused_in_words(rewritten, notes, words):
    with pytest.raises(ValueError, match=words):
        load_demo_model(rewritten(**notes))


def test_notes_say_where_the_weights_come_from():
    _, notes = weights.read()
    assert {"version", "unet_samples", "unet_minutes", "data", "license", "checksum"} <= set(notes)
    assert weights.WEIGHTS.stat().st_size < 60e6
