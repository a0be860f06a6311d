"""LPIPS: equal to the authors' package, with a mask, on any size; in the node where its file is, told in words else."""

from __future__ import annotations

import contextlib
import io as standard_io
import json
import re

import lpips as authors
import numpy as np
import pytest
import torch
from cellstyle.fidelity import lpips
from cellstyle.fidelity.lpips import (
    LARGEST,
    LEAST,
    TRUNKS,
    Lpips,
    bytes_needed,
    lpips_distance,
    measured_size,
    read_lpips,
)
from cellstyle.fidelity.pictures import resize
from cellstyle.nodes.fidelity import CellStyleFidelity
from safetensors.torch import save_file, save_model
from skimage import data

NETWORKS = sorted(TRUNKS)
TISSUE = data.immunohistochemistry()[:192, :256] / 255.0
OTHER = np.clip(TISSUE[::-1] * 0.7 + 0.1, 0, 1)


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request, tmp_path_factory):
    """(the authors' network with random trunk and their own heads, ours from the file that their users can make)."""
    torch.manual_seed(0)
    with contextlib.redirect_stdout(standard_io.StringIO()), pytest.warns():  # torchvision's, of how it is called
        theirs = authors.LPIPS(net=request.param, pnet_rand=True)
    path = tmp_path_factory.mktemp("lpips") / f"lpips_{request.param}.safetensors"
    save_model(theirs, str(path))
    return theirs, Lpips(read_lpips(path, request.param), request.param), path


def theirs_of(net, x, y) -> float:
    a, b = (torch.from_numpy(p).permute(2, 0, 1)[None].float() for p in (x, y))
    with torch.inference_mode():
        return net(a, b, normalize=True).item()


@pytest.mark.parametrize("size", [(64, 64), (65, 130), (192, 256)])
def test_equal_to_the_authors_package(pair, size):
    theirs, ours, _ = pair
    x, y = (picture[: size[0], : size[1]] for picture in (TISSUE, OTHER))
    assert ours.distance(x, y) == pytest.approx(theirs_of(theirs, x, y), rel=1e-4)
    assert ours.distance(x, x) == 0 and ours.distance(x, y) == pytest.approx(ours.distance(y, x), rel=1e-6)


def test_more_change_is_further_away(pair):
    found = [pair[1].distance(TISSUE, TISSUE + share * (OTHER - TISSUE)) for share in (0.1, 0.3, 0.6, 1)]
    assert found == sorted(found) and found[0] > 0


def test_a_mask_of_ones_changes_nothing_and_what_lies_outside_does_not_count(pair):
    ours = pair[1]
    whole = ours.distance(TISSUE, OTHER)
    assert ours.distance(TISSUE, OTHER, np.ones(TISSUE.shape[:2])) == pytest.approx(whole, rel=1e-5)
    left = np.zeros(TISSUE.shape[:2])
    left[:, :32] = 1
    half = TISSUE.copy()
    half[:, 128:] = OTHER[:, 128:]
    assert ours.distance(TISSUE, half, left) < 0.05 * ours.distance(TISSUE, half, 1 - left)


def test_pictures_below_64_pixels_are_not_measured_and_large_ones_are_made_smaller(pair):
    assert pair[1].distance(TISSUE[:63], OTHER[:63]) is None
    assert measured_size((LEAST, LEAST)) == (LEAST, LEAST) and measured_size((1024, 1024)) == (1024, 1024)
    assert measured_size((3000, 4000)) == (887, 1182) and measured_size((60, 20_000)) is None
    assert measured_size((64, LARGEST)) is None


def test_a_large_picture_gives_what_its_small_one_gives(pair, monkeypatch):
    monkeypatch.setattr(lpips, "LARGEST", 128 * 96)
    large = [np.kron(picture[:96, :128], np.ones((3, 3, 1))) for picture in (TISSUE, OTHER)]
    ours = pair[1]
    assert ours.distance(*large) == pytest.approx(ours.distance(*(resize(p, (96, 128)) for p in large)))


def test_the_equation_by_hand():
    x = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    y = torch.tensor([[0.0, 2.0], [3.0, 4.0]]).T.reshape(1, 2, 1, 2)
    heads = [torch.tensor([2.0, 5.0]).view(1, 2, 1, 1)]
    # the left pixel has unit vectors (.6, .8) and (0, 1), the right one none that differs
    y = torch.stack([torch.tensor([0.0, 2.0]), torch.tensor([6.0, 8.0])], 1).view(1, 2, 1, 2)
    by_hand = 2 * 0.36 + 5 * 0.04
    assert lpips_distance([x], [y], heads) == pytest.approx(by_hand / 2)
    assert lpips_distance([x], [y], heads, torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)) == pytest.approx(by_hand)
    assert lpips_distance([x] * 3, [y] * 3, heads * 3) == pytest.approx(1.5 * by_hand)


def without(tensors, name):
    return {key: value for key, value in tensors.items() if key != name}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: without(t, "net.slice2.3.weight"), "has no net.slice2.3.weight"),
        (lambda t: {**t, "lin1.model.1.weight": torch.ones(1, 64, 1, 1)}, r"has the shape \(1, 64, 1, 1\)"),
        (lambda t: {**t, "net.slice1.0.bias": torch.full((64,), float("nan"))}, "NaN or infinite"),
    ],
)
def test_a_file_that_is_not_it_is_refused_in_one_sentence(tmp_path, change, says):
    tensors = {name: torch.zeros(shape) for name, shape in TRUNKS["alex"].tensors().items()}
    path = tmp_path / "lpips_alex.safetensors"
    save_file(tensors, path)
    assert set(read_lpips(path, "alex")) == set(tensors)
    save_file(change(tensors), path)
    with pytest.raises(ValueError, match=says) as caught:
        read_lpips(path, "alex")
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\xff" * 4096, (10**9).to_bytes(8, "little") + b"{}"])
def test_broken_files_and_pickles_are_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "lpips_vgg.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(path.name)) as caught:
        read_lpips(path, "vgg")
    assert str(caught.value).endswith("says.")


@pytest.fixture
def models(tmp_path, monkeypatch):
    """The folder of LPIPS's files of a ComfyUI that has none yet."""
    import folder_paths

    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path / "temp"))
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", {**folder_paths.folder_names_and_paths})
    folder_paths.folder_names_and_paths.pop("lpips", None)
    (tmp_path / "lpips").mkdir()
    return tmp_path / "lpips"


def install(folder, network: str) -> None:
    """Random weights under a network's name, heads not negative, as the trained ones are."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in TRUNKS[network].tensors().items():
        tensor = torch.randn(shape, generator=generator) / max(1, int(np.prod(shape[1:]))) ** 0.5
        tensors[name] = tensor.abs() if name.startswith("lin") else tensor
    save_file(tensors, folder / f"lpips_{network}.safetensors")


def picture(array) -> torch.Tensor:
    return torch.from_numpy(array).float()[None]


def run(content=TISSUE, result=OTHER, **inputs):
    report, *_, record, _, apart = CellStyleFidelity.execute(picture(content), picture(result), **inputs).result
    return report, json.loads(record), apart


def test_without_a_file_nothing_is_measured_and_nothing_is_said(models):
    assert CellStyleFidelity.validate_inputs("where installed") is True
    report, record, apart = run()
    assert apart == -1 and record["mean"]["lpips"] is None and record["pairs"][0]["lpips"] is None
    assert record["pairs"][0]["lpips_network"] is None
    assert torch.equal(report, run(lpips="off")[0])


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_that_is_named_and_not_there_is_said_before_the_run(models, network):
    with pytest.raises(ValueError, match=f"no lpips_{network}.safetensors in models/lpips.*help.*set lpips to off"):
        CellStyleFidelity.validate_inputs(network)
    with pytest.raises(ValueError, match="choose one of where installed, off, alex, vgg"):
        CellStyleFidelity.validate_inputs("squeeze")
    assert CellStyleFidelity.validate_inputs(None) is True  # by a wire


def test_where_installed_takes_alex_before_vgg_and_says_which(models):
    seen = [CellStyleFidelity.fingerprint_inputs("where installed")]
    for network in ("vgg", "alex"):
        install(models, network)
        assert CellStyleFidelity.validate_inputs(network) is True
        seen.append(CellStyleFidelity.fingerprint_inputs("where installed"))
        _, record, apart = run()
        assert record["pairs"][0]["lpips_network"] == network and apart == record["mean"]["lpips"] > 0
    assert len(set(seen)) == 3, "what was measured before the weights came is measured again"
    assert run(lpips="vgg")[1]["pairs"][0]["lpips_network"] == "vgg"
    assert run(lpips="off")[2] == -1 and run(result=TISSUE)[2] == 0


def test_a_batch_has_the_mean_a_mask_counts_and_the_report_a_line(models):
    install(models, "alex")
    contents, results = (torch.cat([picture(a), picture(b)]) for a, b in ((TISSUE, OTHER), (OTHER, OTHER)))
    report, *_, record, _, apart = CellStyleFidelity.execute(contents, results).result
    pairs = [pair["lpips"] for pair in json.loads(record)["pairs"]]
    assert pairs[1] == 0 and apart == pytest.approx(sum(pairs) / 2)
    assert report.shape[1] > run(lpips="off")[0].shape[1]
    left = torch.zeros(1, *TISSUE.shape[:2])
    left[..., :64] = 1
    half = TISSUE.copy()
    half[:, 128:] = OTHER[:, 128:]
    assert run(result=half, mask=left)[2] < 0.5 * run(result=half, mask=1 - left)[2]


def test_small_pictures_give_minus_one_and_the_report_without_the_line(models):
    install(models, "alex")
    report, record, apart = run(TISSUE[:40, :40], OTHER[:40, :40])
    assert apart == -1 and record["pairs"][0]["lpips"] is None
    assert report.shape == run(TISSUE[:40, :40], OTHER[:40, :40], lpips="off")[0].shape


def test_a_broken_file_stops_the_node_with_its_name(models):
    (models / "lpips_alex.safetensors").write_bytes(b"not it")
    with pytest.raises(ValueError, match=r"lpips_alex\.safetensors cannot be read"):
        run()


def test_memory_is_asked_for_by_the_size_that_is_measured():
    assert bytes_needed("vgg", (1024, 1024)) == bytes_needed("vgg", (4096, 4096)) > bytes_needed("vgg", (512, 512))
    assert bytes_needed("alex", (1024, 1024)) < bytes_needed("vgg", (1024, 1024)) / 10
