"""Presets and speeds: what they set, on the one node and on the node for graphs wired by hand."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from cellstyle.engine.dials import StyleSettings
from cellstyle.node_parts.presets import LOOKS, SPEEDS, TransferDials, chosen_dials
from cellstyle.nodes.preset import CellStylePreset
from cellstyle.nodes.transfer import CellStyleTransfer

GOLDEN = json.loads((Path(__file__).parent / "golden" / "schema.json").read_text(encoding="utf-8"))
OWN = {"gamma": 0.6, "tau": 1.2, "strength": 0.5, "steps": 7}


def outputs(**choice) -> dict:
    result = CellStylePreset.execute(**{"preset": "custom", "speed": "custom", **OWN, **choice}).result
    return dict(zip([o.display_name for o in CellStylePreset.define_schema().outputs], result, strict=True))


def expanded(**inputs) -> dict:
    """class_type -> inputs of the graph inside the one node."""
    wires = {name: [name, 0] for name in ("model", "conditioning", "vae", "content", "style")}
    dials = {"gamma": 0.6, "tau": 1.2, "steps": 7, "refinement": 0}
    graph = CellStyleTransfer.execute(**wires, **{**dials, **inputs}).expand
    return {node["class_type"]: node["inputs"] for node in graph.values()}


def test_custom_leaves_every_dial_alone():
    own = TransferDials(0.6, 1.2, "sqrt", 0.1, 0.5, "patch", 0.3, 0.7, 7, "ddim", "leading", 0.2)
    assert chosen_dials("custom", "custom", own) == own
    out = outputs()
    assert {name: out[name] for name in OWN} == OWN
    assert (out["gamma_curve"], out["gamma_end"], out["settings"].adain_rate) == ("constant", 0.6, 0.0)
    assert out["settings"].flat_background == 0


@pytest.mark.parametrize("preset", LOOKS)
def test_a_look_sets_all_of_the_look_and_nothing_of_the_speed(preset):
    fields = set(TransferDials.__dataclass_fields__)
    assert set(LOOKS[preset]) == fields - {"steps", "solver", "spacing"}
    out = outputs(preset=preset)
    assert out["gamma"] == LOOKS[preset]["gamma"] and out["steps"] == OWN["steps"]
    assert out["mode"] == "noise-preserving"
    held = StyleSettings(adain_rate=LOOKS[preset]["adain_rate"], adain_end=1.0, flat_background=1.0)
    assert out["settings"] == held


def test_looks_keep_less_and_less_of_the_structure():
    kept = [LOOKS[name]["gamma"] + LOOKS[name]["gamma_end"] for name in ("faithful", "balanced", "painterly")]
    assert kept == sorted(kept, reverse=True) and len(set(kept)) == 3


def test_faithful_and_paper_are_the_paper():
    inner = expanded(preset="faithful", speed="paper")
    for branch in ("DDIMInvert", "StyleKVCapture"):
        assert [inner[branch][name] for name in ("steps", "solver", "spacing")] == [50, "ddim", "leading"]
    assert (inner["LatentAdaIN"]["mode"], inner["LatentAdaIN"]["strength"]) == ("global", 1.0)
    sampler = inner["InjectedSampler"]
    assert (sampler["gamma"], sampler["tau"], sampler["gamma_curve"]) == (0.75, 1.5, "constant")
    assert "CellStyleSettings" not in inner


def test_balanced_on_the_one_node_sets_all_inner_nodes():
    inner = expanded(preset="balanced", speed="fast")
    assert [inner["DDIMInvert"][name] for name in ("steps", "solver", "spacing")] == [11, "multistep", "linspace"]
    sampler = inner["InjectedSampler"]
    assert [sampler[name] for name in ("gamma", "gamma_end", "gamma_curve")] == [0.75, 0.3, "cosine"]
    assert (inner["CellStyleSettings"]["adain_rate"], inner["CellStyleSettings"]["adain_end"]) == (0.4, 1.0)
    assert inner["CellStyleSettings"]["flat_background"] == 1.0
    assert isinstance(sampler["settings"], list)
    assert inner["LatentAdaIN"]["mode"] == "noise-preserving"


def test_an_even_background_on_the_one_node():
    assert "CellStyleSettings" not in expanded() and "CellStyleSettings" not in expanded(flat_background=0.0)
    own = expanded(flat_background=0.5)["CellStyleSettings"]
    assert (own["flat_background"], own["adain_rate"]) == (0.5, 0.0)
    assert expanded(flat_background=0.5, preset="faithful")["CellStyleSettings"]["flat_background"] == 1.0
    assert "CellStyleSettings" not in expanded(flat_background=0.5, speed="paper")


def test_a_prompt_from_before_gets_what_it_got():
    """Defaults of the signature are for prompts that do not name an input; those of the schema for new nodes."""
    inner = expanded()
    assert (inner["DDIMInvert"]["solver"], inner["DDIMInvert"]["spacing"]) == ("ddim", "leading")
    assert inner["LatentAdaIN"]["mode"] == "global"
    signature = inspect.signature(CellStyleTransfer.execute.__wrapped__).parameters
    assert (signature["preset"].default, signature["speed"].default) == ("custom", "custom")


@pytest.mark.parametrize("node", ["DDIMInvert", "StyleKVCapture", "CellStyleTransfer"])
def test_new_nodes_come_with_the_fast_inversion(node):
    shown = {entry["name"]: entry.get("default") for entry in GOLDEN[node]["inputs"]}
    assert {name: shown[name] for name in ("steps", "solver", "spacing")} == SPEEDS["fast"]


@pytest.mark.parametrize(("what", "choice"), [("preset", {"preset": "wild"}), ("speed", {"speed": "instant"})])
def test_an_unknown_choice_is_refused_with_the_list(what, choice):
    with pytest.raises(ValueError, match=f"{what} .* is unknown; choose one of custom, "):
        outputs(**choice)
    with pytest.raises(ValueError, match=f"{what} .* is unknown"):
        expanded(**choice)


def test_every_output_of_the_preset_fits_the_dial_of_its_name():
    dials = {
        entry["name"]: entry["type"]
        for node in ("InjectedSampler", "LatentAdaIN", "DDIMInvert", "StyleKVCapture")
        for entry in GOLDEN[node]["inputs"]
    }
    for output in GOLDEN["CellStylePreset"]["outputs"]:
        assert dials[output["name"]] == output["type"]
