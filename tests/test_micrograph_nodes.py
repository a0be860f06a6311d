"""Load Micrograph and Restore Micrograph Size as nodes."""

import json
import os

import folder_paths
import numpy as np
import pytest
import tifffile
import torch
from cellstyle.nodes.load_micrograph import CellStyleLoadMicrograph
from cellstyle.nodes.restore_size import CellStyleRestoreSize

PICTURE = np.random.default_rng(0).integers(0, 65536, (45, 70)).astype(np.uint16)
DEFAULTS = {
    i.id: i.default
    for i in CellStyleLoadMicrograph.define_schema().inputs
    if i.id != "file"
}  # fmt: skip


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    for name in ("input", "temp", "output"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(tmp_path / name))
    tifffile.imwrite(tmp_path / "input" / "cells.tif", PICTURE, photometric="minisblack")
    tifffile.imwrite(tmp_path / "secret.tif", PICTURE, photometric="minisblack")
    return tmp_path


def load(file="cells.tif", **choices):
    return CellStyleLoadMicrograph.execute(file=file, **{**DEFAULTS, **choices}).result


def test_outputs_are_an_image_a_mask_json_and_a_number():
    image, mask, metadata, pixel_size = load(size="pad")
    assert image.shape == (1, 48, 72, 3) and image.dtype == torch.float32
    assert mask.shape == (1, 48, 72)
    assert mask[0, :45, :70].min() == 1 and mask[0, 45:].max() == 0 and mask[0, :, 70:].max() == 0
    assert json.loads(metadata)["original"]["dtype"] == "uint16"
    assert pixel_size == 0.0


def test_padding_goes_away_again_bit_for_bit():
    plain = load()[0]
    image, _, metadata, _ = load(size="pad", multiple=64)
    assert image.shape[1:3] == (64, 128)
    assert torch.equal(CellStyleRestoreSize.execute(image, metadata, "original size").result[0], plain)


def test_restoring_a_batch_gives_what_single_runs_give():
    image, _, metadata, _ = load(size="resize and pad", longest_side=50)
    batch = torch.cat([image, 1 - image])
    both = CellStyleRestoreSize.execute(batch, metadata, "original size").result[0]
    assert both.shape == (2, 45, 70, 3)
    for n in range(2):
        assert torch.equal(
            both[n : n + 1], CellStyleRestoreSize.execute(batch[n : n + 1], metadata, "original size")[0]
        )


def test_invert_gives_the_negative():
    assert torch.allclose(load(invert=True)[0], 1 - load()[0])


@pytest.mark.parametrize(
    "file",
    [
        "../secret.tif",
        "..\\secret.tif",
        "a/../../secret.tif",
        "cells.tif\0.png",
        "",
        "   ",
        "C:\\x.tif",
        "\\\\host\\x.tif",
    ],
)
def test_names_that_lead_out_of_the_folders_are_refused(file):
    with pytest.raises(ValueError, match=r"leads out|names no file"):
        load(file)
    with pytest.raises(ValueError, match=r"leads out|names no file"):
        CellStyleLoadMicrograph.validate_inputs(file)
    assert CellStyleLoadMicrograph.fingerprint_inputs(file) == "missing"


def test_absolute_paths_and_links_that_lead_out_are_refused(folders):
    os.symlink(folders / "secret.tif", folders / "input" / "link.tif")
    for file in (str(folders / "secret.tif"), str(folders / "input" / "cells.tif"), "link.tif"):
        with pytest.raises(ValueError, match="leads out"):
            load(file)


def test_output_files_are_reached_by_their_annotation(folders):
    tifffile.imwrite(folders / "output" / "made.tif", PICTURE, photometric="minisblack")
    assert load("made.tif [output]")[0].shape == (1, 45, 70, 3)
    assert CellStyleLoadMicrograph.validate_inputs("made.tif [output]") is True
    with pytest.raises(ValueError, match="not in ComfyUI's input folder"):
        CellStyleLoadMicrograph.validate_inputs("made.tif")


def test_a_changed_file_has_another_fingerprint(folders):
    before = CellStyleLoadMicrograph.fingerprint_inputs("cells.tif", channels="auto")
    tifffile.imwrite(folders / "input" / "cells.tif", PICTURE[:20], photometric="minisblack")
    assert CellStyleLoadMicrograph.fingerprint_inputs("cells.tif", channels="auto") != before


def test_the_list_shows_micrographs_only(folders):
    (folders / "input" / "notes.txt").write_text("x")
    (folders / "input" / "B.OME.TIF").write_bytes(b"")
    inputs = {i.id: i for i in CellStyleLoadMicrograph.define_schema().inputs}
    assert inputs["file"].options == ["B.OME.TIF", "cells.tif"]


@pytest.mark.parametrize("node", [CellStyleLoadMicrograph, CellStyleRestoreSize])
def test_every_input_and_output_says_what_it_does(node):
    schema = node.GET_SCHEMA()
    assert schema.category == "CellStyle" and schema.search_aliases
    assert all(thing.tooltip for thing in [*schema.inputs, *schema.outputs])


def test_restore_refuses_what_is_no_picture():
    metadata = load()[2]
    with pytest.raises(ValueError, match="Connect an IMAGE"):
        CellStyleRestoreSize.execute(torch.zeros(3, 4), metadata, "original size")
    with pytest.raises(ValueError, match="metadata"):
        CellStyleRestoreSize.execute(torch.zeros(1, 8, 8, 3), "hello", "original size")
