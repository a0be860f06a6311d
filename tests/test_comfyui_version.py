"""A ComfyUI that is too old gets a sentence that says so."""

from __future__ import annotations

import importlib.util
import sys
import types

import cellstyle
import host_layout
import pytest
import tomllib
from places import ROOT


def imported_by(version: str | None, monkeypatch) -> types.ModuleType:
    """The pack, as a ComfyUI of that version imports it; None: as a tool without ComfyUI does."""
    host = None if version is None else types.ModuleType("comfyui_version")
    if host:
        host.__version__ = version
    monkeypatch.setitem(sys.modules, "comfyui_version", host)  # None makes the import fail
    spec = importlib.util.spec_from_file_location("cellstyle_elsewhere", ROOT / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version", ["0.3.10", "0.16.2", "0.9.99"])
def test_an_older_one_is_told_what_is_needed(version, monkeypatch):
    said = f"CellStyle needs ComfyUI 0.16.3 or newer, and this is {version}: please update ComfyUI."
    with pytest.raises(ImportError) as error:
        imported_by(version, monkeypatch)
    assert str(error.value) == said


@pytest.mark.parametrize("version", [*host_layout.SOURCES, "0.16.3+local", "1.0.0", "a version of someone's own", None])
def test_others_load_it(version, monkeypatch):
    assert imported_by(version, monkeypatch).WEB_DIRECTORY


def test_it_is_the_oldest_one_that_is_tested_and_what_the_registry_is_told():
    oldest = ".".join(map(str, cellstyle.OLDEST_COMFYUI))
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tool["comfy"]["requires-comfyui"] == f">={oldest}"
    assert oldest == min(host_layout.SOURCES, key=lambda version: tuple(map(int, version.split("."))))
