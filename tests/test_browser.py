"""The workflows in ComfyUI's own front end, in a headless Chromium: opened, exported, run, as a person would."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser_page import FrontEnd, front_end
from demo_graph import DEMO_LOADER, RANDOM_LOADER
from host_layout import DEFAULT_VERSION, find
from places import ROOT
from workflow_files import NAMES, has_demo_model, named_models, nodes_of, overlapping, read_api, read_ui

OLDER = find().version != DEFAULT_VERSION


@pytest.fixture(scope="module")
def page(server, chromium) -> Iterator[FrontEnd]:
    """The front end on the shared server, with (empty) files of the models that the workflows name."""
    with named_models(server.models_dir), front_end(chromium, server.url) as opened:
        yield opened


def on_this_server(client, name: str) -> dict:
    """The workflow; where the demo model's weights are missing, the random one in its loader's place."""
    workflow = read_ui(name)
    if not has_demo_model(client):
        for node in workflow["nodes"]:
            if node["type"] == DEMO_LOADER:
                node["type"] = RANDOM_LOADER
                node["widgets_values"] = ["sd15", 0, "fixed"]
    return workflow


def what_runs(prompt: dict) -> dict:
    """A prompt without what front ends note beside it, such as a node's pack and its version."""
    return {
        key: {"class_type": node["class_type"], "inputs": node["inputs"], "title": node["_meta"]["title"]}
        for key, node in prompt.items()
    }


def slots_of(node: dict) -> list[tuple]:
    """A node's inputs; without the empty ones of a growing input, of which front ends show one or two."""
    slots = [(slot["name"], _type_of(slot), slot.get("link")) for slot in node["inputs"]]
    return [slot for slot in slots if slot[2] is not None or "." not in slot[0]]


def _type_of(slot: dict) -> str:
    """On an older ComfyUI nothing of a widget, whose types it has renamed (COMBO to COMFY_DYNAMICCOMBO_V3)."""
    return "" if OLDER and "widget" in slot else slot["type"]


def wires_of(workflow: dict) -> set[tuple]:
    """From which output of which node to which input of which: an empty input more moves the numbers of the slots."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    return {
        (number, start, out, end, nodes[end]["inputs"][slot]["name"], kind)
        for number, start, out, end, slot, kind in workflow["links"]
    }


def unknown_inputs(client, api: dict) -> dict[str, list[str]]:
    """By node, the inputs of ComfyUI's own nodes that an older server does not know; they are the last ones."""
    found, classes = {}, client.object_info() if OLDER else {}
    for key, node in api.items() if OLDER else ():
        known = {name for group in classes[node["class_type"]]["input"].values() for name in group}
        found[key] = [name for name in node["inputs"] if name not in known and "." not in name]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_opens_without_complaint_and_exports_what_is_shipped(page, client, name):
    workflow, api = read_ui(name), read_api(name)
    newer = unknown_inputs(client, api)
    page.forget()
    page.load(workflow)
    page.shot(name)
    assert page.troubles() == []
    assert page.errors == []
    opened = page.graph()
    assert wires_of(opened) == wires_of(workflow)
    shipped = {node["id"]: node for node in workflow["nodes"]}
    assert {node["id"]: node["type"] for node in opened["nodes"]} == {i: n["type"] for i, n in shipped.items()}
    for node in opened["nodes"]:
        mine, unknown = shipped[node["id"]], newer.get(str(node["id"]), [])
        values = mine["widgets_values"]
        assert node.get("widgets_values", []) == values[: len(values) - len(unknown)], node["type"]
        assert node["pos"] == mine["pos"]
        assert node["size"] == mine["size"], f"{node['type']} does not fit the size it is given"
        assert slots_of(node) == [slot for slot in slots_of(mine) if slot[0] not in unknown], node["type"]
        assert node["properties"].items() >= mine["properties"].items()
    for key, unknown in newer.items():
        for input_name in unknown:
            del api[key]["inputs"][input_name]
    assert what_runs(page.prompt()) == what_runs(api)


def test_the_template_browser_lists_the_pack_and_opens_the_demo(page):
    page.forget()
    page.page.get_by_text("Templates", exact=True).first.click()
    page.page.get_by_text("cellstyle", exact=True).first.click(timeout=120_000)  # the list comes from the server
    for name in NAMES:
        page.page.get_by_test_id(f"template-workflow-{name}").wait_for()
    page.page.wait_for_timeout(1500)  # pictures
    page.shot("template_browser")
    for file in (ROOT / "workflows").glob("*.jpg"):
        card = page.page.get_by_test_id(f"template-workflow-{file.stem}")
        card.scroll_into_view_if_needed()  # only then is its picture fetched
        picture = card.locator("img").first
        picture.wait_for(timeout=60_000)
        assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") > 100
    page.forget()
    page.page.get_by_test_id("template-workflow-cell_style_demo").click()
    page.page.wait_for_function("app.graph.nodes.some((node) => node.type == 'InjectedSampler')")
    page.page.wait_for_timeout(1000)
    page.shot("demo_opened")
    assert what_runs(page.prompt()) == what_runs(read_api("cell_style_demo"))
    assert page.troubles() == []
    assert page.errors == []


def executed(events) -> set[str]:
    """The nodes that a run computed."""
    return {
        detail if isinstance(detail, str) else str(detail["node"])
        for name, detail in events
        if name == "executing" and detail
    }


def test_run_shows_progress_and_the_result_and_gamma_recomputes_the_sampler_alone(page, client):
    client.free()
    api = read_api("cell_style_demo")
    (sampler,), (decode,) = nodes_of(api, "InjectedSampler"), nodes_of(api, "VAEDecode")
    (save,), (preview,) = nodes_of(api, "SaveImage"), nodes_of(api, "PreviewImage")
    page.open()
    page.load(on_this_server(client, "cell_style_demo"))

    events = page.run(seconds=300)
    names = [name for name, _ in events]
    assert "execution_success" in names, events[-1]
    assert executed(events) == set(api)
    steps = [detail["value"] for name, detail in events if name == "progress" and str(detail["node"]) == sampler]
    assert steps == sorted(steps)
    assert steps[-1] == api[nodes_of(api, "DDIMInvert")[0]]["inputs"]["steps"]
    assert "b_preview" in names
    for node in (save, preview):
        shown = page.page.evaluate("(id) => app.graph.getNodeById(id).imgs?.map((img) => img.naturalWidth)", int(node))
        assert shown == [512]
    page.shot("result")
    assert [pair for pair in overlapping(page.graph()) if "Demo model (no download)" not in pair] == []
    assert page.troubles() == []
    assert page.errors == []

    page.page.mouse.click(*page.point(int(sampler), "gamma", 0.03))  # the arrow on its left
    page.page.wait_for_timeout(300)
    assert page.prompt()[sampler]["inputs"]["gamma"] == pytest.approx(0.70)
    events = page.run(seconds=300)
    assert executed(events) == {sampler, decode, save, preview}
    (cached,) = [detail["nodes"] for name, detail in events if name == "execution_cached"]
    assert set(map(str, cached)) == set(api) - {sampler, decode, save, preview}
    assert page.errors == []


def test_nodes_are_found_by_the_name_of_the_method(page):
    page.open()
    page.page.evaluate("() => app.graph.clear()")  # nothing under the pointer
    page.page.mouse.dblclick(1000, 600)
    page.page.wait_for_function("document.activeElement?.tagName == 'INPUT'")
    page.page.keyboard.type("StyleID")
    for title in ("DDIM Invert", "Style K/V Capture", "Injected Sampler"):
        page.page.get_by_text(title, exact=True).first.wait_for(timeout=10_000)
    page.shot("search")
    assert page.errors == []
