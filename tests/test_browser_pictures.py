"""The two loaders in the front end: their picture at once, before any run, in both ways of drawing nodes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tifffile
from browser_page import FrontEnd, front_end
from workflow_files import read_ui

ADD = """([type, values]) => {
  const node = LiteGraph.createNode(type);
  node.pos = [200, 150];
  app.graph.add(node);
  for (const [name, value] of Object.entries(values)) {
    const widget = node.widgets.find((widget) => widget.name == name);
    widget.value = value;
    widget.callback?.(value);
  }
  return node.id;
}"""
# the widths of the pictures on a node, on the canvas or as Nodes 2.0 draws them; null while there is none
SHOWN = """(id) => {
  const drawn = [...document.querySelectorAll(`[data-node-id="${id}"] img`)];
  const images = drawn.length ? drawn : app.graph.getNodeById(id).imgs ?? [];
  return images.length && images.every((image) => image.naturalWidth) ? images.map((i) => i.naturalWidth) : null;
}"""
VALUE = "(id) => app.graph.getNodeById(id).widgets[0].value"


@pytest.fixture(scope="module", params=["classic", "nodes 2.0"])
def page(request, server, chromium) -> Iterator[FrontEnd]:
    stack = np.zeros((3, 60, 90), np.uint16)
    stack[1, 20:40] = 3000
    tifffile.imwrite(server.input_dir / "glance.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    with front_end(chromium, server.url) as opened:
        opened.draw_nodes(anew=request.param != "classic")
        try:
            yield opened
        finally:
            opened.draw_nodes(anew=False)


def shown(page: FrontEnd, node: int) -> list[int]:
    return page.page.wait_for_function(SHOWN, arg=node, timeout=20_000).json_value()


def add(page: FrontEnd, kind: str, **values: str) -> int:
    return page.page.evaluate(ADD, [kind, values])


def test_two_fresh_ones_show_two_pictures_a_content_and_a_style(page):
    page.page.evaluate("() => app.graph.clear()")
    page.forget()
    first, second = add(page, "CellStyleLoadExample"), add(page, "CellStyleLoadExample")
    assert shown(page, first) == shown(page, second) == [512]
    values = [page.page.evaluate(VALUE, node) for node in (first, second)]
    assert [value.split("_")[0] for value in values] == ["content", "style"]
    assert page.errors == []


def test_a_saved_pair_of_the_same_picture_stays_one(page):
    workflow = read_ui("cell_style_demo")
    for node in workflow["nodes"]:
        if node["type"] == "CellStyleLoadExample":
            node["widgets_values"] = ["content_golgi.png"]
    page.load(workflow)
    values = [node["widgets_values"] for node in page.graph()["nodes"] if node["type"] == "CellStyleLoadExample"]
    assert values == [["content_golgi.png"]] * 2


def test_a_micrograph_shows_its_example_and_then_a_file_that_no_browser_reads(page):
    page.page.evaluate("() => app.graph.clear()")
    node = add(page, "CellStyleLoadMicrograph", file="", example="content_fluorescence.png")
    assert shown(page, node) == [512]
    node = add(page, "CellStyleLoadMicrograph", file="glance.tif")
    page.page.wait_for_function(f"(id) => String(({SHOWN})(id)) == '512'", arg=node, timeout=20_000)


def test_after_a_run_the_loader_shows_what_it_loaded_also_when_it_is_cached(page):
    page.page.evaluate("() => app.graph.clear()")
    node = add(page, "CellStyleLoadMicrograph", file="glance.tif", size="resize", longest_side=129)  # 1 and steps of 8
    shown(page, node)
    end = "(id) => { const end = LiteGraph.createNode('PreviewImage'); app.graph.add(end); "
    page.page.evaluate(end + "app.graph.getNodeById(id).connect(0, end, 0); }", node)
    for _ in range(2):
        assert "execution_success" in [name for name, _ in page.run()]
        page.page.wait_for_function(f"(id) => String(({SHOWN})(id)) == '129'", arg=node, timeout=10_000)
