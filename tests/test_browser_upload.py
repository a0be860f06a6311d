"""The upload button and the drop of Load Micrograph take what a microscope writes, in the real front end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tifffile
from browser_page import FrontEnd, front_end

NODE = "app.graph.nodes.find((node) => node.comfyClass == 'CellStyleLoadMicrograph')"


@pytest.fixture(scope="module")
def page(server, chromium) -> Iterator[FrontEnd]:
    with front_end(chromium, server.url) as opened:
        yield opened


def test_the_button_offers_and_uploads_a_tiff(page, tmp_path):
    tifffile.imwrite(tmp_path / "uploaded_cells.ome.tif", np.zeros((8, 8), np.uint16))
    page.open()
    page.page.evaluate(
        """() => {
          app.graph.clear();
          const node = LiteGraph.createNode("CellStyleLoadMicrograph");
          app.graph.add(node);
        }"""
    )
    with page.page.expect_file_chooser() as chosen:
        page.page.evaluate(f"{NODE}.widgets.find((widget) => widget.name == 'upload').callback()")
    assert ".czi" in chosen.value.element.get_attribute("accept") and ".ndpi" in chosen.value.element.get_attribute(
        "accept"
    )
    chosen.value.set_files(tmp_path / "uploaded_cells.ome.tif")
    value = f"{NODE}.widgets.find((widget) => widget.name == 'file').value"
    page.page.wait_for_function(f"{value}?.startsWith('uploaded_cells')", timeout=20_000)
    page.page.evaluate(
        f"""async () => {{
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(16)], "dropped.mrc"));
          await {NODE}.onDragDrop({{ dataTransfer: data }});
        }}"""
    )
    assert page.page.evaluate(value).startswith("dropped")
