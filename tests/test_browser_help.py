"""What the front end shows of the nodes: help pages, saved styles and sheets on the nodes, and all of it in Chinese."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from browser_page import FrontEnd, front_end
from places import ROOT
from workflow_files import read_ui

CHINESE = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
NODE = "app.graph.nodes.find((node) => node.type == '{}')"
LOADED = "async (image) => { await image.decode(); return image.naturalWidth; }"


@pytest.fixture(scope="module")
def page(server, chromium) -> Iterator[FrontEnd]:
    with front_end(chromium, server.url) as opened:
        yield opened


def shown_by(page: FrontEnd, node: str) -> list[int]:
    """Widths of the pictures on the node."""
    page.page.wait_for_function(f"{NODE.format(node)}.imgs?.length", timeout=10_000)
    return page.page.evaluate(f"{NODE.format(node)}.imgs.map((img) => img.naturalWidth)")


@pytest.mark.parametrize(
    ("node", "title", "says", "shot"),
    [
        ("InjectedSampler", "Injected Sampler", "0.75 keeps organelles readable", "help_page"),
        ("CellStyleSettings", "Cell Style Settings", "An empty background without strokes", "help_page_of_settings"),
    ],
)
def test_the_help_page_opens_beside_the_graph_with_its_picture(page, node, title, says, shot):
    page.load(read_ui("cell_style_demo"))
    page.forget()
    page.page.evaluate(f"app.canvas.selectNode({NODE.format(node)})")
    page.page.get_by_test_id("info-button").click()
    help_page = page.page.locator(".node-help-content")
    help_page.get_by_role("heading", name=title, exact=True).wait_for()
    assert says in help_page.inner_text()
    assert help_page.locator("img").first.evaluate(LOADED) > 100
    page.shot(shot)
    assert page.errors == []


def saved_style() -> dict:
    """A prompt that saves a style with a thumbnail."""
    dials = {"steps": 1, "refinement": 0, "layers": "auto", "storage": "recompute"}
    file = {"name": "browser", "format": "compact", "precision": "fp16", "overwrite": True, "title": "Blue and white"}
    return {
        "model": {"class_type": "CellStyleLoadDemoModel", "inputs": {}},
        "picture": {"class_type": "CellStyleLoadExample", "inputs": {"picture": "style_porcelain.png"}},
        "latent": {"class_type": "VAEEncode", "inputs": {"pixels": ["picture", 0], "vae": ["model", 2]}},
        "style": {
            "class_type": "StyleKVCapture",
            "inputs": {"model": ["model", 0], "conditioning": ["model", 1], "latent": ["latent", 0], **dials},
        },
        "save": {
            "class_type": "CellStyleSave",
            "inputs": {"style_kv": ["style", 0], "inverted": ["style", 1], "image": ["picture", 0], **file},
        },
    }


def test_a_saved_style_is_listed_and_shows_its_thumbnail(page, client):
    client.run(saved_style())
    page.open()
    page.page.evaluate(
        """() => {
          app.graph.clear();
          const add = (type, x) => {
            const node = LiteGraph.createNode(type);
            node.pos = [x, 150];
            app.graph.add(node);
            return node;
          };
          const model = add("CellStyleLoadDemoModel", 150), load = add("CellStyleLoad", 450);
          const info = add("PreviewAny", 800);
          model.connect(0, load, "model");
          load.connect(3, info, 0);
          load.widgets.find((widget) => widget.name == "file").value = "browser.safetensors";
        }"""
    )
    assert "browser.safetensors" in page.page.evaluate(
        f"{NODE.format('CellStyleLoad')}.widgets.find((widget) => widget.name == 'file').options.values"
    )
    assert "execution_success" in [name for name, _ in page.run()]
    assert shown_by(page, "CellStyleLoad") == [256]  # the file's picture, not the latent preview of its inversion
    page.shot("saved_style")
    assert page.errors == []


def test_the_contact_sheet_shows_itself_and_not_its_last_cell(page):
    workflow = read_ui("gamma_tau_sheet")
    (sweep,) = [node for node in workflow["nodes"] if node["type"] == "CellStyleSweep"]
    sweep["widgets_values"][:2] = ["0.3, 0.75", "1.5"]
    for node in workflow["nodes"]:
        if node["type"] in ("DDIMInvert", "StyleKVCapture"):
            node["widgets_values"][0] = 2
    page.open()
    page.load(workflow)
    assert "execution_success" in [name for name, _ in page.run(seconds=200)]
    assert shown_by(page, "CellStyleSweep") == shown_by(page, "SaveImage")
    assert page.errors == []


def test_in_chinese_nodes_inputs_tooltips_and_help_are_translated(page):
    page.open()
    setting = "async (value) => { await app.extensionManager.setting.set('Comfy.Locale', value) }"
    page.page.evaluate(setting, "zh")
    try:
        page.open()
        page.page.evaluate("() => app.graph.clear()")
        for name, text in CHINESE.items():
            node = page.page.evaluate(
                """(type) => {
                  const node = LiteGraph.createNode(type);
                  const inputs = [...(node.inputs ?? []), ...(node.widgets ?? [])];
                  const shown = inputs.map((input) => [input.name, input.localized_name ?? input.label]);
                  return {title: node.title, inputs: Object.fromEntries(shown)};
                }""",
                name,
            )
            assert node["title"] == text["display_name"]
            for key, entry in text.get("inputs", {}).items():
                assert node["inputs"].get(key, entry["name"]) == entry["name"], (name, key)
        page.forget()  # an uploading node made from nothing asks for a picture named undefined
        page.load(read_ui("cell_style_demo"))
        (sampler,) = [node["id"] for node in page.graph()["nodes"] if node["type"] == "InjectedSampler"]
        page.page.mouse.move(*page.point(sampler, "gamma", 0.5))
        tooltip = CHINESE["InjectedSampler"]["inputs"]["gamma"]["tooltip"]
        page.page.get_by_text(tooltip, exact=True).first.wait_for(timeout=10_000)
        page.page.evaluate(f"app.canvas.selectNode({NODE.format('InjectedSampler')})")
        page.page.get_by_test_id("info-button").click()
        page.page.locator(".node-help-content").get_by_text("查询保留").first.wait_for()
        page.shot("chinese")
        assert page.errors == []
    finally:
        page.page.evaluate(setting, "en")
