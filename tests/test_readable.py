"""Every template on a 1080p screen: large enough to read, nothing on or beside its place, before a run and after it.

In both ways in which the front end draws nodes: on its canvas, and as Nodes 2.0. The runs are of a small random model
on small pictures; the room that a preview takes does not depend on its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browser_page import FrontEnd, front_end
from workflow_files import (
    KINDS,
    NAMES,
    frame_of,
    named_models,
    nodes_of,
    overlapping,
    read_api,
    read_ui,
    shortened,
    with_small_pictures,
    with_tiny_model,
    without_helpers,
)

WINDOW = (1920, 950)  # what a browser's own bars leave of 1920 x 1080
TITLE_FONT = 14  # the font that the front end's threshold is measured by, in pixels at a zoom of 1
DRAWN = {"classic": False, "nodes 2.0": True}
PREVIEWS = ("PreviewImage", "SaveImage")
# boxes without title bars in graph units, by node id
BOXES = """() => Object.fromEntries(app.graph.nodes.map((node) => {
  const box = document.querySelector(`[data-node-id="${node.id}"]`)?.getBoundingClientRect();
  const {scale} = app.canvas.ds;
  return [node.id, box ? [box.width / scale, box.height / scale - LiteGraph.NODE_TITLE_HEIGHT] : [...node.size]];
}))"""
NOTES = """() => [...document.querySelectorAll(".comfy-markdown .tiptap, .comfy-markdown-content")]
  .map((note) => [note.scrollHeight, note.clientHeight])"""


@pytest.fixture(scope="module", params=DRAWN)
def page(request, server, chromium) -> Iterator[FrontEnd]:
    with named_models(server.models_dir), front_end(chromium, server.url, WINDOW) as opened:
        opened.draw_nodes(anew=DRAWN[request.param])
        try:
            yield opened
        finally:
            opened.draw_nodes(anew=False)


def as_drawn(page: FrontEnd) -> dict[str, Any]:
    """The open workflow with the sizes that its nodes have on the screen."""
    workflow, boxes = page.graph(), page.page.evaluate(BOXES)
    for node in workflow["nodes"]:
        node["size"] = boxes[str(node["id"])]
    return workflow


def check_places(workflow: dict[str, Any]) -> None:
    """Nothing lies on another thing, and every node but the notes within a frame."""
    assert overlapping(workflow) == []
    frames = [frame_of(group) for group in workflow["groups"]]
    for node in workflow["nodes"]:
        (left, top), (width, height) = node["pos"], node["size"]
        inside = [f for f in frames if f[0] < left and f[1] < top and left + width < f[2] and top + height < f[3]]
        assert inside or node["type"] == "MarkdownNote", f"{node['title']} reaches out of its frame"


def quick(name: str, server) -> dict[str, Any]:
    """The template's prompt on a small random model and small pictures, in two steps."""
    graph = with_tiny_model(without_helpers(read_api(name)), KINDS.get(name, "sd15"))
    graph = shortened(graph, steps=2, gammas="0.75", taus="1.5", residual_features="", feature_strength=0.0, width=64)
    return with_small_pictures(graph, server.input_dir)


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_read_and_nothing_is_hidden_before_and_after_a_run(page, server, name):
    page.load_template(read_ui(name))
    page.shot(f"readable_{name}")
    hidden_below = page.page.evaluate("() => app.canvas.min_font_size_for_lod") / TITLE_FONT
    assert page.page.evaluate("() => app.canvas.ds.scale") > hidden_below
    notes = page.page.evaluate(NOTES)
    assert len(notes) == sum(node["type"] == "MarkdownNote" for node in read_ui(name)["nodes"])
    assert all(text <= room + 1 for text, room in notes), "a note is cut off"
    check_places(as_drawn(page))

    prompt = quick(name, server)
    names = [event for event, _ in page.run_instead(prompt, seconds=200)]
    assert "execution_success" in names, page.errors
    page.shot(f"readable_{name}_after")
    check_places(as_drawn(page))
    for kind in PREVIEWS:
        for node in nodes_of(prompt, kind):
            assert page.page.evaluate("(id) => app.nodeOutputs[id]?.images?.length > 0", node), f"{node} shows nothing"
