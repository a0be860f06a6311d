"""The workflow for a folder: every micrograph in it in one style, saved under its own name."""

from __future__ import annotations

from workflow_graph import Graph
from workflow_parts import BLUE, BROWN, GREEN, PORCELAIN, PURPLE, demo_model, example

TEXT = """\
### A folder of micrographs
1. Put your pictures into a folder of ComfyUI's `input`, say `input/plate1`, and write `plate1` into **folder**. A
   pattern such as `plate1/*_dapi.tif` takes some of them; empty takes what lies in `input` itself.
2. Press Run: each picture goes through the graph by itself, and *Save Image* names the result after its file.
3. **preset** faithful, balanced or painterly sets **gamma** and **tau** for all of them; with custom they are yours.

For more than some dozens set **most** to 1, the small box below **first** to *increment*, and queue as many runs as
there are files: one picture at a time is in memory. For thousands, and several machines, the README has a command.
"""


def folder() -> Graph:
    """A folder of micrographs, one style, the one-node transfer, results under the names of their sources."""
    graph = Graph("micrograph_folder")
    model = demo_model(graph)
    files = graph.add(
        "CellStyleLoadFolder", "A folder of micrographs", folder="", most=8, size="resize and pad", longest_side=256
    )
    style = example(graph, "Style", PORCELAIN)
    transfer = graph.add(
        "CellStyleTransfer",
        "Cell Style Transfer",
        **model.shared,
        vae=model.vae,
        content=files["image"],
        style=style[0],
        preset="balanced",
        flat_background=1.0,
        speed="fast",
    )
    restored = graph.add("CellStyleRestoreSize", "Original size", image=transfer[0], metadata=files["metadata"])
    save = graph.add("SaveImage", "Results, named after their files", images=restored[0], filename_prefix=files["name"])
    notes = graph.add("MarkdownNote", "A folder", text=TEXT)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Folder", GREEN, [[files]]))
    graph.column(("Style", PURPLE, [[style]]), ("Transfer", BROWN, [[transfer, restored]]))
    graph.column(("Result", BROWN, [[save]]))
    return graph
