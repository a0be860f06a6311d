"""Load Example Picture: the pack's own pictures by name, and nothing else on the disk."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from cellstyle.node_parts.example_pictures import example_micrographs, example_names, example_path
from cellstyle.nodes.load_example import CellStyleLoadExample
from cellstyle.nodes.load_micrograph import CellStyleLoadMicrograph
from PIL import Image
from places import ROOT

FOLDER = ROOT / "example_images"
CONTENT = "content_golgi.png"


def test_the_list_is_what_the_pack_ships_contents_first():
    (picture,) = CellStyleLoadExample.define_schema().inputs
    assert picture.options == sorted(path.name for path in FOLDER.iterdir() if path.suffix == ".png")
    assert picture.options[0].startswith("content_")
    assert all(f"`{name}`" in (FOLDER / "README.md").read_text(encoding="utf-8") for name in picture.options)


@pytest.mark.parametrize("name", example_names())
def test_a_picture_comes_as_it_is_in_the_file(name):
    (image,) = CellStyleLoadExample.execute(name).result
    shipped = np.asarray(Image.open(FOLDER / name).convert("RGB"))
    assert image.dtype == torch.float32
    assert image.shape == (1, *shipped.shape)
    assert np.array_equal((image[0].numpy() * 255).round(), shipped)
    assert 0 <= image.min() < image.max() <= 1


@pytest.mark.parametrize(
    "name",
    ["README.md", "../pyproject.toml", f"../example_images/{CONTENT}", str(FOLDER / CONTENT), f"./{CONTENT}", "", None],
)
def test_only_a_name_of_the_list_is_read(name):
    with pytest.raises(ValueError, match=r"is not a picture of the pack; it has content_.*Choose one"):
        CellStyleLoadExample.execute(name)
    with pytest.raises(ValueError, match="is not a picture of the pack"):
        example_path(name)


def micrograph(**inputs):
    defaults = {part.id: part.default for part in CellStyleLoadMicrograph.define_schema().inputs}
    return CellStyleLoadMicrograph.execute(**{**defaults, **inputs}).result


def test_load_micrograph_shows_an_example_while_no_file_is_chosen():
    (expected,) = CellStyleLoadExample.execute(CONTENT).result
    image, _, metadata, _ = micrograph(file="", example=CONTENT)
    assert torch.allclose(image, expected, atol=1e-6)
    assert json.loads(metadata)["file"] == CONTENT
    assert CellStyleLoadMicrograph.validate_inputs("", CONTENT) is True
    prints = {CellStyleLoadMicrograph.fingerprint_inputs("", name) for name in example_micrographs()}
    assert len(prints) == len(example_micrographs()) > len(example_names("content"))


def test_the_time_lapse_is_what_its_drawing_makes_and_says_what_it_is():
    sys.path.append(str(ROOT / "tools" / "demo_model"))
    import tifffile
    from time_lapse import FILE, FRAMES, SIDE, time_lapse

    assert FILE.stat().st_size < 1e6 and f"`{FILE.name}`" in (FOLDER / "README.md").read_text(encoding="utf-8")
    shipped, drawn = tifffile.imread(FILE).astype(int), time_lapse().astype(int)
    assert shipped.shape == drawn.shape == (FRAMES, 2, SIDE, SIDE)
    assert np.abs(shipped - drawn).mean() < 0.5  # rounding of another processor
    images, _, metadata, pixel_size = micrograph(file="", example=FILE.name, time="frames")
    assert images.shape == (FRAMES, SIDE, SIDE, 3) and pixel_size == pytest.approx(0.325)
    assert (images[..., 2].std() > 0.1) and json.loads(metadata)["file"] == FILE.name
    with pytest.raises(ValueError, match="not a picture of the pack"):
        CellStyleLoadExample.execute(FILE.name)


@pytest.mark.parametrize(("file", "example"), [("", "none"), ("", "../x.png"), ("gone.tif", CONTENT)])
def test_load_micrograph_says_what_is_missing(file, example):
    words = r"names no file|not a picture of the pack|not in ComfyUI's input folder"
    with pytest.raises(ValueError, match=words):
        CellStyleLoadMicrograph.validate_inputs(file, example)
    with pytest.raises(ValueError, match=words):
        micrograph(file=file, example=example)
