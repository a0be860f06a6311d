"""The subgraph blueprint: listed by a real server, well-formed, and placed, dialled and run in the front end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from browser_page import FrontEnd, front_end
from places import ROOT
from playwright.sync_api import TimeoutError
from workflow_files import overlapping, put_picture

NAME = "Cell style graph"
FILE = ROOT / "subgraphs" / f"{NAME}.json"
DIALS = {"gamma": 0.75, "tau": 1.5, "strength": 1.0, "steps": 11, "preset": "custom", "speed": "custom"}
SOCKETS = {"model": "MODEL", "conditioning": "CONDITIONING", "vae": "VAE", "content": "IMAGE", "style": "IMAGE"}
ENTRANCE, EXIT = -10, -20


@pytest.fixture(scope="module")
def blueprint() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


def test_the_server_lists_it(client):
    listed = json.loads(client.request("/global_subgraphs"))
    ours = {key: entry for key, entry in listed.items() if entry["source"] == "custom_node"}
    assert [entry["name"] for entry in ours.values()] == [NAME]
    (key,) = ours
    assert ours[key]["info"]["node_pack"].startswith("custom_nodes.")
    assert json.loads(client.request(f"/global_subgraphs/{key}"))["data"] == FILE.read_text(encoding="utf-8")


def test_outside_it_is_one_node_with_sockets_and_dials(blueprint):
    (node,), (inside,) = blueprint["nodes"], blueprint["definitions"]["subgraphs"]
    assert node["type"] == inside["id"]
    assert inside["name"] == NAME
    slots = {slot["name"]: slot["type"] for slot in node["inputs"]}
    assert slots.items() >= SOCKETS.items()
    assert [slot["name"] for slot in node["inputs"] if "widget" in slot] == list(DIALS)
    assert list(slots.items()) == [(port["name"], port["type"]) for port in inside["inputs"]]
    assert [(slot["name"], slot["type"]) for slot in node["outputs"]] == [("image", "IMAGE")]
    assert inside["category"] == "CellStyle"
    assert inside["description"]


def test_inside_every_wire_has_two_ends_of_its_type(blueprint):
    (inside,) = blueprint["definitions"]["subgraphs"]
    nodes = {node["id"]: node for node in inside["nodes"]}
    assert blueprint["nodes"][0]["id"] not in nodes
    starts = {number: node["outputs"] for number, node in nodes.items()} | {ENTRANCE: inside["inputs"]}
    ends = {number: node["inputs"] for number, node in nodes.items()} | {EXIT: inside["outputs"]}
    for link in inside["links"]:
        start = starts[link["origin_id"]][link["origin_slot"]]
        end = ends[link["target_id"]][link["target_slot"]]
        assert start["type"] == end["type"] == link["type"]
        assert link["id"] in (start.get("links") or start.get("linkIds"))
        assert link["id"] in (end.get("linkIds") or [end.get("link")])
    assert all(port["linkIds"] for port in (*inside["inputs"], *inside["outputs"]))
    assert overlapping(inside) == []


@pytest.fixture(scope="module")
def pictures(server) -> dict[str, str]:
    """A small picture for each of the two, where the front end lists it when it opens."""
    return {name: put_picture(server.input_dir, seed, (96, 64)) for seed, name in enumerate(("content", "style"))}


@pytest.fixture(scope="module")
def page(server, chromium, pictures) -> Iterator[FrontEnd]:
    with front_end(chromium, server.url) as opened:
        yield opened


WIRE = """(pictures) => {
  const outer = app.graph.nodes[0];
  const add = (type) => { const node = LiteGraph.createNode(type); app.graph.add(node); return node; };
  const into = (from, slot, name) => from.connect(slot, outer, outer.inputs.findIndex((input) => input.name == name));
  const model = add('CellStyleTestTinyModel');
  ['model', 'conditioning', 'vae'].forEach((name, slot) => into(model, slot, name));
  for (const [name, file] of Object.entries(pictures)) {
    const load = add('LoadImage');
    load.widgets.find((widget) => widget.name == 'image').value = file;
    into(load, 0, name);
  }
  outer.connect(0, add('PreviewImage'), 0);
}"""
DIAL = """([name, value]) => {
  const widget = app.graph.nodes[0].widgets.find((widget) => widget.name == name);
  widget.value = value;
  widget.callback?.(value);
}"""


def test_it_is_found_placed_and_run_with_the_dials_that_are_set_outside(page, server, pictures):
    page.page.evaluate("() => app.graph.clear()")
    for patience in (10_000, 10_000, 30_000):  # a double click on a busy machine may be taken for two clicks
        page.page.mouse.dblclick(1000, 600)
        try:
            page.page.wait_for_function("document.activeElement?.tagName == 'INPUT'", timeout=patience)
            break
        except TimeoutError:
            if patience == 30_000:
                raise
    page.page.keyboard.type(NAME)
    page.page.get_by_text(NAME, exact=True).first.click()
    page.page.wait_for_function("app.graph.nodes.length == 1 && app.graph.nodes[0].isSubgraphNode?.()")
    page.page.wait_for_timeout(1000)  # the search closes
    page.page.mouse.move(1000, 400)  # the node hangs on the pointer until it is dropped
    page.page.mouse.click(1000, 400)
    page.page.wait_for_function("!app.graph.nodes[0].flags.ghost", timeout=10_000)
    shown = page.page.evaluate("() => app.graph.nodes[0].widgets.map((widget) => [widget.name, widget.value])")
    assert dict(shown) == DIALS

    page.page.evaluate(WIRE, pictures)
    for name, value in {"gamma": 0.4, "tau": 2.0, "strength": 0.5, "steps": 3}.items():
        page.page.evaluate(DIAL, [name, value])
    prompt = page.prompt()
    inner = {node["class_type"]: node["inputs"] for key, node in prompt.items() if ":" in key}
    dials = inner["CellStylePreset"]
    assert [dials[name] for name in ("gamma", "tau", "strength", "steps")] == [0.4, 2.0, 0.5, 3]
    (preset,) = (key for key, node in prompt.items() if node["class_type"] == "CellStylePreset")
    for kind, names in {
        "InjectedSampler": ("gamma", "tau", "gamma_curve", "gamma_end", "settings"),
        "LatentAdaIN": ("strength", "mode"),
        "DDIMInvert": ("steps", "solver", "spacing"),
        "StyleKVCapture": ("steps", "solver", "spacing"),
    }.items():
        assert {inner[kind][name][0] for name in names} == {preset}

    names = [name for name, _ in page.run()]
    assert "execution_success" in names
    result = server.client.run(prompt)
    assert [image["type"] for image in result.images] == ["temp"]
    assert page.troubles() == []

    page.page.evaluate("() => app.canvas.openSubgraph(app.graph.nodes[0].subgraph, app.graph.nodes[0])")
    page.page.wait_for_function(f"app.canvas.graph.name == '{NAME}'")
    page.page.wait_for_timeout(500)
    opened = page.page.evaluate("() => app.canvas.graph.nodes.map((node) => [node.type, Boolean(node.has_errors)])")
    assert sorted(opened) == sorted([kind, False] for kind in [*inner, "VAEEncode"])  # one for each picture
    assert page.errors == []
