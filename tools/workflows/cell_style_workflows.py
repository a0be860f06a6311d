"""The cell style workflows: the paper's graph with three models."""

from __future__ import annotations

from workflow_graph import Graph
from workflow_parts import (
    BLUE,
    BROWN,
    CHLOROPLAST,
    DIALS,
    GOLGI,
    GREEN,
    INK_WASH,
    MURAL,
    PLANT,
    PORCELAIN,
    PURPLE,
    SD15,
    SDXL,
    Model,
    adain,
    checkpoint,
    content_branch,
    demo_model,
    note,
    sampler,
    saved,
    style_branch,
)


def demo() -> Graph:
    """The embedded model: runs with no download."""
    graph = Graph("cell_style_demo")
    text = DIALS + "- **flat_background** keeps an empty background even: no strokes there; 0 is off.\n"
    return transfer(graph, demo_model(graph), CHLOROPLAST, PORCELAIN, text, flat_background=1.0)


def sd15() -> Graph:
    """Stable Diffusion 1.5, the paper's setting."""
    graph = Graph("sd15_cell_style (download)")
    return transfer(graph, checkpoint(graph, SD15, 512), GOLGI, INK_WASH)


def sdxl() -> Graph:
    """SDXL base 1.0."""
    graph = Graph("sdxl_cell_style (download)")
    return transfer(graph, checkpoint(graph, SDXL, 1024), PLANT, MURAL)


def transfer(
    graph: Graph,
    model: Model,
    cells: str,
    texture: str,
    text: str = "",
    inversion: dict | None = None,
    flat_background: float = 0.0,
) -> Graph:
    """The method: invert the content, capture the style, match their statistics, sample with the injection.

    text: of the note, with {width}; the usual one without. inversion: of both branches. flat_background: with
    Cell Style Settings for it.
    """
    more = {} if inversion is None else {"inversion": inversion}
    content, style = content_branch(graph, model, cells, **more), style_branch(graph, model, texture, **more)
    matched = adain(graph, content, style)
    nodes = [matched, *sampler(graph, model, content, style.last["style_kv"], matched[0])]
    preview = graph.add("PreviewImage", "Preview", images=nodes[-1][0])
    save = saved(graph, nodes[-1][0])
    finer = []
    if flat_background:
        finer = [graph.add("CellStyleSettings", "Cell Style Settings", flat_background=flat_background)]
        nodes[1].wires["settings"] = finer[0][0]
    text = text.format(width=model.width) if text else DIALS
    if model.width and text.startswith(DIALS):
        text += f"- Pictures are scaled to a width of {model.width} pixels, the size this model knows best.\n"
    notes = note(graph, "The dials", text)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Content", GREEN, content.columns), ("Style", PURPLE, style.columns))
    graph.column(("Transfer", BROWN, [nodes, [save, preview, *finer]]))
    return graph
