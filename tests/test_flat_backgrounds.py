"""With the demo model: flat parts stay flat by two starts on clean latents, and nuclei on black stay visible."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import folder_paths
import numpy as np
import pytest
import run_nodes as nodes
import torch
from cellstyle.engine.dials import StyleSettings
from cellstyle.engine.inverted_latent import inversion_of
from cellstyle.node_parts.presets import LOOKS, SPEEDS
from cellstyle.nodes.compose import CellStyleCompose
from cellstyle.nodes.foreground import CellStyleForeground
from cellstyle.nodes.load_demo_model import CellStyleLoadDemoModel
from cellstyle.nodes.load_micrograph import CellStyleLoadMicrograph
from nuclei import COUNT, separation, stack, write_stack
from PIL import Image
from places import ROOT

sys.path.append(str(ROOT / "tools" / "demo_model"))
from contents_lone import lone_cells
from evaluate_setup import contents
from evaluate_start import flat_contrast

SIZE = 256
STYLES = sorted(path.stem.removeprefix("style_") for path in (ROOT / "example_images").glob("style_*.png"))
EVERY_RUN = ("ink_wash", "porcelain")
SCHEMA = json.loads((ROOT / "tests" / "golden" / "schema.json").read_text(encoding="utf-8"))


def styles_of_a_run() -> list:
    long = pytest.mark.long(section="pictures")
    return [pytest.param(name, marks=() if name in EVERY_RUN else long) for name in STYLES]


@cache
def demo() -> tuple:
    return CellStyleLoadDemoModel.execute().result


def encoded(picture: torch.Tensor) -> dict:
    return {"samples": demo()[2].encode(picture)}


def decoded(samples: torch.Tensor) -> np.ndarray:
    return demo()[2].decode(samples)[0].clamp(0, 1).numpy()


@cache
def captured(name: str) -> tuple:
    picture = Image.open(ROOT / "example_images" / f"style_{name}.png").convert("RGB").resize((SIZE, SIZE))
    pixels = torch.from_numpy(np.asarray(picture) / np.float32(255))[None]
    return nodes.capture(*demo()[:2], encoded(pixels), **SPEEDS["fast"])


@cache
def inverted_content(name: str) -> tuple:
    """(picture, inverted LATENT, CONTENT_QUERY): the shipped fluorescence picture, drawn cells on an empty grey field,
    or scikit-image's cell on its own."""
    if name == "cell":
        picture = contents(SIZE)["cell"]
    elif name == "lone cells":
        picture = lone_cells(np.random.default_rng(7003), SIZE, SIZE).astype(np.float32)
    else:
        file = Image.open(ROOT / "example_images" / "content_fluorescence.png").convert("RGB")
        picture = np.asarray(file.resize((SIZE, SIZE))) / np.float32(255)
    return picture, *nodes.invert(*demo()[:2], encoded(torch.from_numpy(picture)[None]), **SPEEDS["fast"])[:2]


# contrast in the flat parts: with the start alone as a multiple of the content's, and of that with the paper's start;
# injected as a multiple of that with the paper's start
BARS = {"fluorescence": (4.5, 1.4, 1.0), "lone cells": (2.0, 0.15, 0.3)}
# where the bars beside the paper's start are missed, which has only 2.0 times the content's contrast there; this one
# has 3.3, and as much as the paper's when injected
MISSED = {("impression", "fluorescence")}


@pytest.mark.parametrize("content", BARS)
@pytest.mark.parametrize("style", styles_of_a_run())
def test_flat_parts_stay_flat(style, content):
    picture, inverted, query = inverted_content(content)
    style_kv, start = captured(style)
    contrast = {}
    for mode in ("global", "noise-preserving"):
        begun = nodes.adain(inverted, start, mode=mode)
        for what, features in (("alone", None), ("injected", style_kv)):
            drawn = decoded(nodes.sample(*demo()[:2], begun, features, query))
            contrast[mode, what] = flat_contrast(picture, drawn)
    of_content, of_paper, injected = BARS[content]
    assert contrast["noise-preserving", "alone"] < of_content
    flatter = contrast["noise-preserving", "alone"] < of_paper * contrast["global", "alone"]
    flatter_injected = contrast["noise-preserving", "injected"] < injected * contrast["global", "injected"]
    missed = (style, content) in MISSED
    assert (flatter, flatter_injected) == (not missed, not missed)


@pytest.mark.parametrize("content", [*BARS, "cell"])
@pytest.mark.parametrize("style", styles_of_a_run())
def test_flat_parts_stay_as_flat_as_the_contents_where_adain_comes_before_the_inversion(style, content):
    picture, inverted, _ = inverted_content(content)
    before = {"samples": inversion_of(inverted).clean}, {"samples": inversion_of(captured(style)[1]).clean}
    recoloured = nodes.adain(*before, mode="before inversion")
    start, query, _ = nodes.invert(*demo()[:2], recoloured, **SPEEDS["fast"])
    drawn = decoded(nodes.sample(*demo()[:2], start, None, query))
    assert flat_contrast(picture, decoded(recoloured["samples"])) < 1.6  # a busy picture's mean is one colour
    assert flat_contrast(picture, drawn) < 1.6


@cache
def fluorescence() -> tuple:
    """(IMAGE, label image, inverted LATENT, CONTENT_QUERY) of 70 nuclei, through Load Micrograph as it comes."""
    volume, labels = stack(SIZE)
    Path(folder_paths.get_input_directory()).mkdir(parents=True, exist_ok=True)
    write_stack(Path(folder_paths.get_input_directory()) / "nuclei.ome.tif", volume)
    inputs = SCHEMA["CellStyleLoadMicrograph"]["inputs"]
    choices = {each["name"]: each.get("default", (each.get("options") or [None])[0]) for each in inputs}
    image = CellStyleLoadMicrograph.execute(**{**choices, "file": "nuclei.ome.tif"}).result[0]
    return image, labels, *nodes.invert(*demo()[:2], encoded(image), **SPEEDS["fast"])[:2]


@pytest.mark.parametrize("style", styles_of_a_run())
def test_every_nucleus_stays_visible_on_black_and_on_the_styled_background(style):
    image, labels, inverted, query = fluorescence()
    style_kv, start = captured(style)
    look = LOOKS["balanced"]
    dials = {name: look[name] for name in ("gamma", "tau", "gamma_curve", "gamma_end")}
    settings = StyleSettings(adain_rate=look["adain_rate"], adain_end=look["adain_end"])
    begun = nodes.adain(inverted, start, mode=look["start"])
    drawn = torch.from_numpy(decoded(nodes.sample(*demo()[:2], begun, style_kv, query, **dials, settings=settings)))

    def new(node: str) -> dict:
        return {each["name"]: each["default"] for each in SCHEMA[node]["inputs"] if "default" in each}

    mask = CellStyleForeground.execute(image, **new("CellStyleForeground")).result[0]
    assert all(mask[0].numpy()[labels == number].mean() > 0.5 for number in range(1, COUNT + 1))
    for background in ("black", "styled"):
        for colours in ("styled", "content"):
            chosen = {**new("CellStyleCompose"), "background": background, "colours": colours}
            result = CellStyleCompose.execute(image, drawn[None], **chosen, mask=mask).result[0]
            told = separation(result[0].numpy(), labels)
            assert len(told) == COUNT and told.min() > 1, f"{background}, {colours}: {(told > 1).sum()} of {COUNT}"
