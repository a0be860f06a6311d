"""The tools against a real ComfyUI: the pack loads, errors say what happened, the user's own stays as it is."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import time
from pathlib import Path

import host
import pytest
from comfy_client import ComfyClient, ExecutionError, Interrupted, PromptRejected
from comfy_server import ComfyServer
from host_layout import find
from PIL import Image


def png(width: int = 64, height: int = 64) -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize((width, height)).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def sampling(image: str, steps: int, seed: int = 0) -> dict:
    """A plain image-to-image graph on the tiny random model."""
    sampler = {"model": ["1", 0], "positive": ["1", 1], "negative": ["1", 1], "latent_image": ["3", 0], "cfg": 1.0}
    sampler |= {"seed": seed, "steps": steps, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    return {
        "1": {"class_type": "CellStyleTestTinyModel", "inputs": {"kind": "sd15", "seed": 0}},
        "2": {"class_type": "LoadImage", "inputs": {"image": image}},
        "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 2]}},
        "4": {"class_type": "KSampler", "inputs": sampler},
        "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
        "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "host"}},
    }


def test_the_pack_is_loaded_from_the_checkout(server: ComfyServer):
    for name in ("DDIMInvert", "LatentAdaIN", "StyleKVCapture", "InjectedSampler"):
        assert server.client.object_info(name)[name]["python_module"] == "custom_nodes.cellstyle"


def test_a_prompt_reports_progress_previews_and_outputs(client: ComfyClient):
    name = client.upload_image(png(), "gradient.png")
    events = []
    result = client.run(sampling(name, steps=3), on_event=events.append)
    assert [event.value for event in events if event.kind == "progress"] == [1, 2, 3]
    assert all(Image.open(io.BytesIO(event.image)) for event in events if event.kind == "preview")
    assert any(event.kind == "preview" and event.node == "4" for event in events)
    assert events[-1].kind == "execution_success"
    assert Image.open(io.BytesIO(client.fetch_image(result.images[0]))).size == (64, 64)
    again = client.run(sampling(name, steps=3))
    assert not again.executed and set(again.cached) == set("123456")


def test_a_node_that_raises_is_named(client: ComfyClient):
    name = client.upload_image(b"not a picture", "broken.png")
    prompt = {"7": {"class_type": "LoadImage", "inputs": {"image": name}}}
    prompt["8"] = {"class_type": "PreviewImage", "inputs": {"images": ["7", 0]}}
    with pytest.raises(ExecutionError, match=r"LoadImage \(node 7\)") as failure:
        client.run(prompt)
    assert failure.value.node_type == "LoadImage" and "Traceback" not in str(failure.value)
    assert client.system_stats()["system"]


def test_an_invalid_prompt_is_refused_with_reasons(client: ComfyClient):
    with pytest.raises(PromptRejected, match="NoSuchNode"):
        client.submit({"1": {"class_type": "NoSuchNode", "inputs": {}}})
    with pytest.raises(PromptRejected, match=r"PreviewImage.*images") as failure:
        client.submit({"1": {"class_type": "PreviewImage", "inputs": {}}})
    assert "1" in failure.value.details["node_errors"]


def test_a_prompt_can_be_interrupted(client: ComfyClient):
    name = client.upload_image(png(256, 256), "large.png")
    prompt_id = client.submit(sampling(name, steps=500, seed=1))
    for event in client.events(prompt_id):
        if event.kind == "progress":
            break
    client.interrupt()
    with pytest.raises(Interrupted):
        client.wait(prompt_id, timeout=60)


def tree_hash(folder: Path) -> str:
    """Names, contents and change times of everything in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        digest.update(f"{path.relative_to(folder)} {stat.st_mode} {stat.st_mtime_ns}".encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def test_a_users_own_comfyui_is_used_and_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    own = tmp_path / "My ComfyUI"
    shutil.copytree(find().comfyui, own, ignore=shutil.ignore_patterns("__pycache__", "tests*", "blueprints"))
    (own / "custom_nodes" / "of_the_user.py").write_text("raise RuntimeError('not to be loaded')")
    before = tree_hash(own)
    monkeypatch.setenv("CELLSTYLE_COMFYUI", str(own))
    monkeypatch.setenv("CELLSTYLE_PYTHON", sys.executable)
    prepared = host.prepare(tests=True)
    assert (prepared.comfyui, prepared.python, prepared.owned) == (own, Path(sys.executable), False)
    with ComfyServer(prepared) as server:
        assert server.client.object_info("DDIMInvert")
        name = server.client.upload_image(png())
        prompt = {"1": {"class_type": "LoadImage", "inputs": {"image": name}}}
        prompt["2"] = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}
        assert server.client.run(prompt).images
        assert "of_the_user" not in server.log()
    assert tree_hash(own) == before


def test_what_the_users_python_lacks_is_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "comfy").mkdir()
    (tmp_path / "main.py").touch()
    bare = Path(sys.base_prefix) / "bin" / "python3"
    if os.name != "posix" or not bare.is_file():
        pytest.skip("no other Python here")
    python = tmp_path / "bare-python"
    python.write_text(f'#!/bin/sh\nexec "{bare}" -S "$@"\n')  # -S: no installed packages
    python.chmod(0o755)
    monkeypatch.setenv("CELLSTYLE_COMFYUI", str(tmp_path))
    monkeypatch.setenv("CELLSTYLE_PYTHON", str(python))
    with pytest.raises(host.HostError) as error:
        host.prepare()
    assert "lacks imagecodecs, scikit-image and tifffile" in str(error.value)
    assert str(error.value).endswith(f"{python} -m pip install imagecodecs scikit-image tifffile")
    with pytest.raises(host.HostError, match="pytest"):
        host.prepare(tests=True)


def test_a_silent_prompt_is_given_up(client: ComfyClient):
    started = time.monotonic()
    with pytest.raises(Exception, match="had not finished after 1 s"):
        client.wait("no-such-prompt", timeout=1)
    assert time.monotonic() - started < 5
