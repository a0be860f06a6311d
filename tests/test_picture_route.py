"""The route that shows a loader's picture before a run: what the two loaders may read, and nothing else."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import folder_paths
import numpy as np
import pytest
import tifffile
from cellstyle.node_parts.example_pictures import example_names
from cellstyle.node_parts.picture_route import LONGEST, ROUTE, Previews
from PIL import Image
from places import ROOT

CONTENT = "content_golgi.png"
OUTSIDE = ["../pyproject.toml", "/etc/passwd", f"../example_images/{CONTENT}", "gone.tif", "..\\x.png", "a\0b.png"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """ComfyUI's input folder, beside its temp folder."""
    for kind in ("input", "temp"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"{kind}_directory", str(tmp_path / kind))
    return tmp_path / "input"


def pictures(shown: dict) -> list[np.ndarray]:
    assert {each["type"] for each in shown["images"]} == {"temp"}
    temp = Path(folder_paths.get_temp_directory())
    return [np.asarray(Image.open(temp / each["subfolder"] / each["filename"])) for each in shown["images"]]


@pytest.mark.parametrize("name", example_names())
def test_a_picture_of_the_pack_comes_as_it_lies_there(folder, name):
    (picture,) = pictures(Previews().show({"picture": name}))
    assert np.array_equal(picture, np.asarray(Image.open(ROOT / "example_images" / name).convert("RGB")))


def test_a_stack_of_16_bit_shows_its_middle_plane_small(folder):
    planes = np.zeros((3, 40, 1024), np.uint16)
    planes[1, :, 512:] = 4000
    tifffile.imwrite(folder / "stack.tif", planes, imagej=True, metadata={"axes": "ZYX"})
    (picture,) = pictures(Previews().show({"file": "stack.tif", "example": "none"}))
    assert picture.shape == (20, LONGEST, 3)
    assert picture[:, :200].max() == 0
    assert picture[:, 300:].min() == 255


def test_asking_again_costs_no_file_until_the_picture_changes(folder):
    previews = Previews()
    Image.new("RGB", (40, 30), "red").save(folder / "cell.png")
    first = previews.show({"file": "cell.png"})
    assert previews.show({"file": "cell.png"}) == first
    Image.new("RGB", (60, 30), "blue").save(folder / "cell.png")
    assert previews.show({"file": "cell.png"}) != first
    for path in Path(folder_paths.get_temp_directory()).iterdir():
        path.unlink()
    assert len(pictures(previews.show({"file": "cell.png"}))) == 1


def test_without_a_file_the_example_is_shown(folder):
    (picture,) = pictures(Previews().show({"file": "", "example": CONTENT}))
    assert max(picture.shape) == LONGEST


@pytest.mark.parametrize("query", [{"picture": name} for name in OUTSIDE] + [{"file": name} for name in OUTSIDE] + [{}])
def test_nothing_else_is_read(folder, query):
    secret = folder.parent / "secret.png"
    secret.write_bytes((ROOT / "example_images" / CONTENT).read_bytes())
    for refused in (query, {"file": "../secret.png"}, {"picture": str(secret)}):
        with pytest.raises(ValueError):
            Previews().show(refused)
    assert list((folder.parent / "temp").iterdir()) == []


def asked(server, **query: str) -> tuple[int, dict]:
    """Status and content of an answer."""
    url = f"{server.url}{ROUTE}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_real_server_answers_with_a_preview_or_a_sentence(server):
    status, shown = asked(server, picture=CONTENT)
    assert status == 200
    picture = server.client.fetch_image(shown["images"][0])
    assert Image.open(io.BytesIO(picture)).size == Image.open(ROOT / "example_images" / CONTENT).size
    for query in ({"picture": "../README.md"}, {"file": "../../server.log"}, {"file": "gone.tif"}, {}):
        status, said = asked(server, **query)
        assert status == 404
        assert set(said) == {"error"}
        assert "Traceback" not in said["error"]
