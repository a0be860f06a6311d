"""A workflow of the finer dials: each from a paper, all in one graph, each easy to turn off."""

from __future__ import annotations

from workflow_graph import Graph
from workflow_parts import (
    BLUE,
    BROWN,
    DIALS,
    GOLGI,
    GREEN,
    MURAL,
    PURPLE,
    content_branch,
    demo_model,
    note,
    sampler,
    saved,
    style_branch,
)

FINER = (
    DIALS
    + """\
- **feature_strength** holds the layout with the content's residual features (plug-and-play); needs
  *residual_features* `output.4` of DDIM Invert.
- **query_end** 0.7 keeps the content's queries early and leaves the last steps to the style (DiffuseST).
- **layer_gamma** gives the finest layers more of the style; **adain_rate** pulls every step to its colours (STRDP).
- **flat_background** at 1 keeps an empty ground even, so that strokes are drawn on the cells alone.
- *Latent AdaIN*: **patch** mode lets colours follow the style's layout, **high_pass_amount** drops broad shading.
- Set a dial to 0 (query_end to 1, mode to global) and it is off.
"""
)


def finer_dials() -> Graph:
    """Cell Style Settings, and Latent AdaIN's patches and high-pass."""
    graph = Graph("finer_dials")
    model = demo_model(graph)
    content, style = content_branch(graph, model, GOLGI), style_branch(graph, model, MURAL)
    content.last.values["residual_features"] = "output.4"
    matched = graph.add(
        "LatentAdaIN",
        "Latent AdaIN (patches)",
        content=content.last["inverted"],
        style=style.last["inverted"],
        mode="patch",
        patch_size=32,
        high_pass_amount=0.3,
    )
    settings = graph.add(
        "CellStyleSettings",
        "Cell Style Settings",
        query_end=0.7,
        layer_gamma="output.6-8: 1, output.9-11: 0.6",
        adain_rate=0.2,
        feature_strength=0.3,
    )
    sampled = sampler(graph, model, content, style.last["style_kv"], matched[0])
    sampled[0].wires["settings"] = settings[0]
    picture = saved(graph, sampled[-1][0])
    notes = note(graph, "The finer dials", FINER)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Content", GREEN, content.columns), ("Style", PURPLE, style.columns))
    graph.column(("Transfer", BROWN, [[matched, settings], sampled, [picture]]))
    return graph
