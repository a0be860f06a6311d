"""Names of style files: they stay in the folder, and no save takes another's place."""

from __future__ import annotations

import os
import threading

import folder_paths
import pytest
from cellstyle.node_parts.style_folder import style_folders, style_names
from cellstyle.nodes.load_style import CellStyleLoad
from style_files import captured_style, load, save, style_folder_in


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """ComfyUI's folder of styles, empty."""
    return style_folder_in(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def captured():
    """model, conditioning, STYLE_KV and inverted LATENT of one style that is not square."""
    return captured_style()


def test_a_name_that_is_taken_gets_a_number_unless_it_may_be_overwritten(folder, captured):
    _, _, style_kv, inverted = captured
    names = [save(style_kv, inverted, name="ink/wash", overwrite=o) for o in (False, False, False, True)]
    assert names == [f"ink/wash{n}.safetensors" for n in ("", "_2", "_3", "")]
    assert style_names() == sorted(names[:3])


def test_two_saves_at_once_keep_both(folder, captured):
    _, _, style_kv, inverted = captured
    threads = [threading.Thread(target=save, args=(style_kv, inverted)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(style_names()) == 8


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "  ",
            ".safetensors",
            "/etc/passwd",
            "..",
            "../up",
            "a/../../up",
            "a/..",
            "C:\\windows",
            "c:ink",
            "\\\\pc\\x",
        ),
        *(
            "nul\0l",
            "a\nb",
            "a/",
            "/a",
            "a//b",
            ".hidden",
            "a/.b",
            "con",
            "a/LPT1.txt",
            "what?",
            'say"',
            "a<b",
            "pipe|",
        ),
        *("ink.", "a. /b", " /b", "x" * 201, "ä" * 60, "/".join("abcdefghi"), "\u202egnp", "\ud800"),
    ],
)
def test_a_name_cannot_leave_the_folder_or_trouble_a_file_system(folder, captured, name):
    _, _, style_kv, inverted = captured
    before = sorted(folder.parent.parent.rglob("*"))
    with pytest.raises(ValueError, match="name"):
        save(style_kv, inverted, name=name)
    assert sorted(folder.parent.parent.rglob("*")) == before


def test_a_link_does_not_lead_a_save_out_of_the_folder(folder, captured, tmp_path):
    _, _, style_kv, inverted = captured
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    with pytest.raises(ValueError, match="leads out"):
        save(style_kv, inverted, name="link/style")
    (folder / "style.safetensors").symlink_to(outside / "target")
    save(style_kv, inverted, overwrite=True)
    assert not list(outside.iterdir()) and not (folder / "style.safetensors").is_symlink()


@pytest.mark.parametrize(
    "file",
    [
        "",
        "../x.safetensors",
        "/etc/passwd",
        "a.safetensors/..",
        "C:\\a.safetensors",
        "a\0.safetensors",
        "no.safetensors",
    ],
)
def test_a_file_name_that_is_not_in_the_folder_is_refused_before_the_run(folder, file):
    assert CellStyleLoad.fingerprint_inputs(file) == "missing"
    for refuse in (load, CellStyleLoad.validate_inputs):
        with pytest.raises(ValueError, match=r"is not in|does not name"):
            refuse(file)


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    """ComfyUI's input folder, empty."""
    (tmp_path / "input").mkdir()
    monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path / "input"))
    return tmp_path / "input"


def test_an_uploaded_style_is_read_from_the_input_folder(folder, uploads, captured):
    model, _, style_kv, inverted = captured
    kept = folder / save(style_kv, inverted, name="ink")
    (uploads / "sub").mkdir()
    for name in ("sent.safetensors", "sub/sent.SAFETENSORS"):
        (uploads / name).write_bytes(kept.read_bytes())
        assert CellStyleLoad.validate_inputs(f"{name} [input]") is True
        with pytest.raises(ValueError, match="is not in"):  # the mark is needed: this folder is no other's
            CellStyleLoad.validate_inputs(name)
        assert load(f"{name} [input]", model)[1]["samples"].equal(load("ink.safetensors", model)[1]["samples"])
    before = CellStyleLoad.fingerprint_inputs("sent.safetensors [input]")
    (uploads / "sent.safetensors").write_bytes(b"another")
    assert CellStyleLoad.fingerprint_inputs("sent.safetensors [input]") not in ("missing", before)
    with pytest.raises(ValueError, match=r"sent\.safetensors cannot be used as a style"):
        load("sent.safetensors [input]", model)


@pytest.mark.parametrize(
    "file",
    [
        *(" [input]", ".. [input]", "../models/cellstyle/ink.safetensors [input]", "/etc/passwd [input]"),
        *("sub/../../models/cellstyle/ink.safetensors [input]", "C:\\ink.safetensors [input]"),
        "none.safetensors [input]",
        *("..\\models\\cellstyle\\ink.safetensors [input]", "a\0.safetensors [input]", "picture.png [input]"),
        *("link.safetensors [input]", "linked/ink.safetensors [input]", "folder.safetensors [input]"),
        *("pipe.safetensors [input]", "ink.safetensors [output]", "ink.safetensors [temp]"),
        "ink.safetensors  [input] ",
        *("{folder}/ink.safetensors [input]", "./{folder}/ink.safetensors [input]", "ink.safetensors [input] [input]"),
    ],
)
def test_an_uploaded_name_does_not_lead_out_of_the_input_folder(folder, uploads, captured, file):
    _, _, style_kv, inverted = captured
    save(style_kv, inverted, name="ink")
    (uploads / "picture.png").write_bytes(b"no style")
    (uploads / "sub").mkdir()
    (uploads / "folder.safetensors").mkdir()
    (uploads / "link.safetensors").symlink_to(folder / "ink.safetensors")
    (uploads / "linked").symlink_to(folder)
    if hasattr(os, "mkfifo"):
        os.mkfifo(uploads / "pipe.safetensors")
    file = file.replace("{folder}", str(folder))
    assert CellStyleLoad.fingerprint_inputs(file) == "missing"
    for refuse in (load, CellStyleLoad.validate_inputs):
        with pytest.raises(ValueError, match=r"does not name|names no file|leads out|is not in"):
            refuse(file)


def test_a_file_that_was_overwritten_is_read_again(folder, captured):
    _, _, style_kv, inverted = captured
    file = save(style_kv, inverted)
    first = CellStyleLoad.fingerprint_inputs(file)
    assert CellStyleLoad.validate_inputs(file) is True
    save(style_kv, inverted, overwrite=True)
    assert CellStyleLoad.fingerprint_inputs(file) != first


def test_the_folder_is_comfyuis_and_what_extra_model_paths_adds(folder, tmp_path):
    assert style_folders() == [str(folder)]
    folder_paths.folder_names_and_paths["cellstyle"] = ([str(tmp_path / "shared")], set())
    assert style_folders() == [str(tmp_path / "shared"), str(folder)]
    assert style_folders() == [str(tmp_path / "shared"), str(folder)]


def test_only_style_files_are_listed(folder, captured):
    _, _, style_kv, inverted = captured
    save(style_kv, inverted, name="sub/a")
    (folder / ".0123.tmp").write_bytes(b"draft")
    (folder / "notes.txt").write_text("x")
    assert style_names() == ["sub/a.safetensors"]
