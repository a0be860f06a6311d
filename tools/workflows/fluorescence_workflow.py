"""The fluorescence workflow: style on the cells, black around them."""

from __future__ import annotations

from workflow_graph import Graph
from workflow_parts import BLUE, BROWN, FLUORESCENCE, GREEN, PORCELAIN, PURPLE, demo_model, example, note, saved

TEXT = """\
- **Load Micrograph** shows its *example* until you choose a file: 16-bit and multi-channel TIFF, stacks, series.
- **background** of *Compose Styled Cells* is the switch: black, styled, or the micrograph's own.
- **colours** content keeps the channels apart: the style gives the strokes, the micrograph its pseudo-colours.
- **brightness** 1 keeps every nucleus as clear as it was; lower lets the style's own light in.
- **preset** faithful, balanced or painterly sets **gamma** and **tau**; with custom they are yours.
- Dim cells are missing? Turn **level** of *Cell Foreground* down.
"""


def fluorescence_on_black() -> Graph:
    """A micrograph, its foreground, the one-node transfer, and the two put together."""
    graph = Graph("fluorescence_on_black")
    model = demo_model(graph)
    file = graph.add(
        "CellStyleLoadMicrograph",
        "Micrograph: your file or stack",
        file="",
        example=FLUORESCENCE,
        size="resize and pad",
        longest_side=512,
    )
    style = example(graph, "Style", PORCELAIN)
    transfer = graph.add(
        "CellStyleTransfer",
        "Cell Style Transfer",
        **model.shared,
        vae=model.vae,
        content=file["image"],
        style=style[0],
        preset="balanced",
        flat_background=1.0,
        speed="fast",
    )
    cells = graph.add("CellStyleForeground", "Cell Foreground", image=file["image"])
    composed = graph.add(
        "CellStyleCompose",
        "Compose Styled Cells",
        content=file["image"],
        styled=transfer["image"],
        mask=cells["mask"],
    )
    restored = graph.add("CellStyleRestoreSize", "Original size", image=composed[0], metadata=file["metadata"])
    save = saved(graph, restored[0], "Styled fluorescence")
    notes = note(graph, "Fluorescence", TEXT)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Content", GREEN, [[file]]))
    graph.column(("Style", PURPLE, [[style]]), ("Transfer", BROWN, [[transfer]]))
    graph.column(("Cells on black", GREEN, [[cells, composed, restored]]))
    graph.column(("Result", BROWN, [[save]]))
    return graph
