"""Load Micrograph Folder: the files of a folder in the order in which people count, one after the other."""

import json
import os
import re
import subprocess
import sys

import folder_paths
import numpy as np
import pytest
import tifffile
from cellstyle.node_parts.micrograph_files import EXTENSIONS
from cellstyle.nodes.load_folder import CellStyleLoadFolder
from places import ROOT

DEFAULTS = {i.id: i.default for i in CellStyleLoadFolder.define_schema().inputs if i.id != "folder"}
NAMES = ("plate/B2_10.tif", "plate/B2_9.ome.tif", "plate/b2_1.TIF", "other/x.png.tif")


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "input_directory", str(tmp_path / "input"))
    for n, name in enumerate(NAMES):
        (tmp_path / "input" / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            tmp_path / "input" / name, np.full((8, 9), n + 1, np.uint8), photometric="minisblack", metadata=None
        )
    (tmp_path / "input" / "plate" / "notes.txt").write_text("x")
    (tmp_path / "secret.tif").write_bytes((tmp_path / "input" / NAMES[0]).read_bytes())
    return tmp_path


def load(folder, **choices):
    return CellStyleLoadFolder.execute(folder=folder, **{**DEFAULTS, **choices}).result


def test_a_folder_comes_in_natural_order_with_names_for_save_image():
    images, masks, metadata, sizes, names = load("plate")
    assert names == ["plate/b2_1", "plate/B2_9", "plate/B2_10"]
    assert [round(float(image[0, 0, 0, 0]) * 255) for image in images] == [3, 2, 1]
    assert [json.loads(text)["file"] for text in metadata] == [
        "plate/b2_1.TIF",
        "plate/B2_9.ome.tif",
        "plate/B2_10.tif",
    ]
    assert len(masks) == len(sizes) == 3
    assert all(output.is_output_list for output in CellStyleLoadFolder.define_schema().outputs)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("plate/*_1*.tif", ["plate/b2_1", "plate/B2_10"]),
        ("*/*.tif", ["other/x.png", "plate/b2_1", "plate/B2_9", "plate/B2_10"]),
        ("plate\\B2_?.ome.tif", ["plate/B2_9"]),
        ("./plate/", ["plate/b2_1", "plate/B2_9", "plate/B2_10"]),
    ],
)
def test_patterns_and_a_part_of_the_list(pattern, found):
    assert load(pattern)[4] == found
    assert load(pattern, first=len(found), most=5)[4] == found[-1:]
    with pytest.raises(ValueError, match=f"holds {len(found)} micrographs. Choose 1 to {len(found)}"):
        load(pattern, first=len(found) + 1)


@pytest.mark.parametrize("text", ["../input", "plate/../..", "/etc", "C:/x", "a\0b", "\\\\host\\x"])
def test_what_leads_out_is_refused(text):
    with pytest.raises(ValueError, match=r"leads out|holds no micrograph"):
        load(text)
    with pytest.raises(ValueError, match=r"leads out|holds no micrograph"):
        CellStyleLoadFolder.validate_inputs(text)
    assert CellStyleLoadFolder.fingerprint_inputs(text) == "missing"


def test_links_that_lead_out_and_empty_folders_hold_nothing(folders):
    (folders / "input" / "links").mkdir()
    os.symlink(folders / "secret.tif", folders / "input" / "links" / "link.tif")
    os.symlink(folders, folders / "input" / "up")
    for text in ("links", "up", "up/*.tif", "", "nowhere"):
        with pytest.raises(ValueError, match="holds no micrograph"):
            load(text)


def test_one_file_at_a_time_is_decoded_and_the_whole_has_a_limit(monkeypatch):
    from cellstyle.nodes import load_folder

    read, whole = [], load_folder.load_micrograph
    monkeypatch.setattr(load_folder, "load_micrograph", lambda path, name, c: read.append(name) or whole(path, name, c))
    assert len(load("plate", first=2, most=1)[0]) == 1 and read == ["plate/B2_9.ome.tif"]
    monkeypatch.setattr(load_folder, "MAX_SAMPLES", 2 * 8 * 9 * 3)
    with pytest.raises(ValueError, match="first 3 pictures of the folder would need"):
        load("plate")


def test_a_changed_folder_has_another_fingerprint(folders):
    before = CellStyleLoadFolder.fingerprint_inputs("plate")
    (folders / "input" / "plate" / "c.tif").write_bytes((folders / "secret.tif").read_bytes())
    assert CellStyleLoadFolder.fingerprint_inputs("plate") != before


def test_the_upload_button_offers_what_is_listed():
    script = (ROOT / "web" / "js" / "upload_micrographs.js").read_text(encoding="utf-8")
    offered = re.findall(r'"(\.\w+)"', script[script.index("const ENDS") : script.index("const isMicrograph")])
    assert tuple(offered) == EXTENSIONS


def test_the_room_can_be_imported_without_the_pack():
    text = "import sys; sys.path.insert(0, sys.argv[1]); import micrograph.load"
    subprocess.run([sys.executable, "-c", text, str(ROOT)], check=True, timeout=120)
