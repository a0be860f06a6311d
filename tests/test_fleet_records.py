"""The recipe of a folder, its manifest, and files that are there whole or not at all."""

from __future__ import annotations

import copy
import errno
import io
import json
import os
from pathlib import Path

import pytest
from cellstyle.fleet.errors import FleetError
from cellstyle.fleet.manifest import COLUMNS, Journal, check_table, merged, write_table
from cellstyle.fleet.out_folder import OutFolder
from cellstyle.fleet.pixels import pixels_sha256
from cellstyle.fleet.recipe import keep_recipe, recipe_of
from cellstyle.fleet.workflow import understand
from fleet_runs import GRAPH
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def record(graph=GRAPH, styles=None, pack="1", comfyui="2") -> dict:
    return recipe_of(understand(graph), styles or {"": "ab"}, pack, comfyui)


def test_the_recipe_is_all_but_the_content():
    graph = copy.deepcopy(GRAPH)
    graph["1"]["inputs"]["file"] = "another.tif"
    graph["4"]["_meta"] = {"title": "Renamed"}
    assert record(graph)["recipe"] == record()["recipe"]
    graph["3"]["inputs"]["gamma"] = 0.6
    others = [
        record(graph),
        record(styles={"": "cd"}),
        record(styles={"ink": "ab"}),
        record(pack="2"),
        record(comfyui="3"),
    ]
    assert len({one["recipe"] for one in [record(), *others]}) == 6


def test_the_models_are_named():
    graph = copy.deepcopy(GRAPH)
    graph["m"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}}
    assert "sd15.safetensors" in record(graph)["models"]


def test_another_recipe_is_refused_and_says_what_differs(tmp_path):
    out = OutFolder(tmp_path)
    keep_recipe(out, record())
    keep_recipe(out, record())
    graph = copy.deepcopy(GRAPH)
    graph["3"]["inputs"]["gamma"] = 0.6
    with pytest.raises(FleetError, match=r"what differs: the workflow's nodes or dials.*another --out"):
        keep_recipe(out, record(graph))
    with pytest.raises(FleetError, match="the styles"):
        keep_recipe(out, record(styles={"": "cd"}))
    with pytest.raises(FleetError, match=r"ComfyUI's version, \(1 on 2 then, 1 on 9 now\)"):
        keep_recipe(out, record(comfyui="9"))
    (out.state / "run.json").write_text("{")
    with pytest.raises(FleetError, match="is no run record"):
        keep_recipe(out, record())


def row(output: str, status: str = "done", finished: str = "2026-01-01T00:00:00Z", **more) -> dict:
    return {
        "input": "x",
        "output": output,
        "status": status,
        "finished": finished,
        "attempts": 1,
        "seconds": 0.5,
        **more,
    }


def test_the_manifest_has_one_row_an_output_of_all_runs(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).touch()
    first, second = OutFolder(tmp_path, "m+1+a"), OutFolder(tmp_path, "m+2+b")
    one, two = Journal(first, (0, 2)), Journal(second, (1, 2), "local-0")
    one.add(row("a.png", worker="old"))
    one.add(row("b.png", "failed", error="out of luck"))
    one.add(row("gone.png"))  # its runner was killed before the picture was in place
    one.add(row("d.png", "failed", error="poison"))
    two.add(row("b.png", finished="2026-01-02T00:00:00Z", attempts=2))
    two.add(row("a.png", finished="2026-01-03T00:00:00Z", worker="new"))
    with open(two.path, "a") as file:
        file.write('{"output": "c.png", "sta')  # torn by a kill
    found = {one["output"]: one for one in merged(tmp_path)}
    assert set(found) == {"a.png", "b.png", "d.png"}
    assert found["a.png"]["worker"] == "new" and found["b.png"]["attempts"] == 2
    assert found["d.png"]["error"] == "poison" and set(found["d.png"]) == set(COLUMNS)
    assert write_table(tmp_path, tmp_path / "table" / "all.jsonl") == 3
    lines = (tmp_path / "table" / "all.jsonl").read_text().splitlines()
    assert [json.loads(line)["output"] for line in lines] == [one["output"] for one in merged(tmp_path)]


def test_a_table_may_be_parquet(tmp_path):
    import pyarrow.parquet as parquet

    (tmp_path / "a.png").touch()
    journal = Journal(OutFolder(tmp_path), (0, 1))
    journal.add(row("a.png"))
    journal.add(row("b.png", "failed", error="ünlucky"))
    write_table(tmp_path, tmp_path / "all.parquet")
    table = parquet.read_table(tmp_path / "all.parquet")
    assert table.column_names == list(COLUMNS) and table.num_rows == 2
    assert table.to_pylist()[1]["error"] == "ünlucky"


def test_a_table_that_cannot_be_written_is_refused_before_the_run(tmp_path, monkeypatch):
    with pytest.raises(FleetError, match=r"ends in \.jsonl or \.parquet"):
        check_table(tmp_path / "all.csv")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(FleetError, match="needs pyarrow"):
        check_table(tmp_path / "all.parquet")


def png(colour: int, text: str = "") -> bytes:
    data, facts = io.BytesIO(), PngInfo()
    facts.add_text("prompt", text)
    Image.new("RGB", (4, 3), (colour, 0, 0)).save(data, "PNG", pnginfo=facts)
    return data.getvalue()


def test_a_picture_is_known_by_its_pixels():
    assert pixels_sha256(png(1, "a")) == pixels_sha256(png(1, "b")) != pixels_sha256(png(2, "a"))
    for broken in (b"", b"text", png(1)[:-20], png(1)[:60]):
        with pytest.raises(ValueError, match="no picture"):
            pixels_sha256(broken)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, number, where):
    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    out = OutFolder(tmp_path)
    monkeypatch.setattr(os, where, fail)
    with pytest.raises(FleetError, match=r"Nothing more can be written .* make room"):
        out.place(b"data", tmp_path / "sub" / "a.png")
    monkeypatch.undo()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_first_of_two_publishers_counts(tmp_path):
    out = OutFolder(tmp_path)
    assert out.publish(b"one", tmp_path / "x") == b"one"
    assert out.publish(b"two", tmp_path / "x") == b"one"
    assert [path.name for path in Path(tmp_path).iterdir() if path.is_file()] == ["x"]
