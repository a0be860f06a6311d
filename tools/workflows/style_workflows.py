"""Workflows about styles: the contact sheet of the dials, a library, two styles by mask, presets side by side."""

from __future__ import annotations

from workflow_graph import Graph
from workflow_parts import (
    BLUE,
    BROWN,
    DIALS,
    DURIAN,
    FAST,
    FLUORESCENCE,
    GREEN,
    IMPRESSION,
    INK_WASH,
    PLANT,
    PORCELAIN,
    PURPLE,
    TISSUE,
    WOODBLOCK,
    adain,
    content_branch,
    demo_model,
    example,
    note,
    sampler,
    saved,
    style_branch,
)

SHEET = """\
- **gamma** falls from left to right: the structure gives way to the style.
- **tau** grows from top to bottom: softer to crisper strokes.
- Choose a cell, then set its values in the *cell_style_demo* workflow.
"""
LIBRARY = (
    DIALS
    + """\
- **Save Style** keeps the style in `models/cellstyle`, and *Load Style* takes it from there to all contents.
- **Next time** delete the frames *Style* and *Save*, press R and choose the file in *Load Style*: the style picture is
  no longer needed, here and in every other graph.
- **More contents:** *One batch* takes as many as you connect.
"""
)
MASKS = (
    DIALS
    + """\
- **Masks** say where on the content each style acts; here the left half and the rest. Load your content with
  *Load Image*, paint on it with *Open in MaskEditor*, and wire its MASK instead.
- **adain_rate** in *Cell Style Settings* renews each style's palette in its own mask at every step; at 0 the two
  palettes run into one another.
"""
)
SIDE = 512


def gamma_tau_sheet() -> Graph:
    """The rheostat at a glance."""
    graph = Graph("gamma_tau_sheet")
    model = demo_model(graph)
    content, style = content_branch(graph, model), style_branch(graph, model, INK_WASH)
    matched = adain(graph, content, style)
    sweep = graph.add(
        "CellStyleSweep",
        "Gamma x tau",
        **model.shared,
        latent=matched[0],
        vae=model.vae,
        style_kv=style.last["style_kv"],
        content_query=content.last["content_query"],
        gammas="0.75, 0.5, 0.3",
        taus="1.0, 1.5, 2.0",
        picture_size=256,
        canvas=(300, 810),
    )
    sheet = saved(graph, sweep["sheet"], "Contact sheet", canvas=(760, 760))
    notes = note(graph, "The sheet", SHEET)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Content", GREEN, content.columns), ("Style", PURPLE, style.columns))
    graph.column(("Sweep", BROWN, [[matched, sweep], [sheet]]))
    return graph


def style_library() -> Graph:
    """Save once, apply to many contents."""
    graph = Graph("style_library")
    model = demo_model(graph)
    content, style = content_branch(graph, model, TISSUE, PLANT), style_branch(graph, model, WOODBLOCK)
    keep = graph.add(
        "CellStyleSave",
        "Save Style",
        style_kv=style.last["style_kv"],
        inverted=style.last["inverted"],
        image=style.image,
        name="woodblock",
        title="Woodblock waves",
        author="CellStyle",
        licence="CC0 1.0",
        overwrite=True,
        canvas=(300, 380),
    )
    load = graph.add("CellStyleLoad", "Load Style", model=model.model, file_name=keep["file"])
    palette = {"content": content.last["inverted"], "style": load["inverted"]}
    matched = graph.add("LatentAdaIN", "Latent AdaIN", **palette)
    nodes = [matched, *sampler(graph, model, content, load["style_kv"], matched[0])]
    save = saved(graph, nodes[-1][0], "Stylised micrographs")
    notes = note(graph, "The library", LIBRARY)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Content", GREEN, content.columns), ("Style", PURPLE, style.columns))
    graph.column(("Save (once)", PURPLE, [[keep]]), ("Load", PURPLE, [[load]]))
    graph.column(("Transfer", BROWN, [nodes, [save]]))
    return graph


def two_styles_by_mask() -> Graph:
    """One style on the left, another on the right."""
    graph = Graph("two_styles_by_mask")
    model = demo_model(graph)
    content = content_branch(graph, model, FLUORESCENCE)
    left = style_branch(graph, model, PORCELAIN, "Style of the masked part")
    right = style_branch(graph, model, DURIAN, "Style of the rest")
    everywhere = graph.add("SolidMask", "Nowhere", value=0.0, width=SIDE, height=SIDE)
    half = graph.add("SolidMask", "The left half", value=1.0, width=SIDE // 2, height=SIDE)
    mask = graph.add("MaskComposite", "Mask", destination=everywhere[0], source=half[0])
    rest = graph.add("InvertMask", "The rest", mask=mask[0])
    blend = graph.add(
        "CellStyleBlend",
        "Two styles, a mask each",
        styles=[left.last["style_kv"], right.last["style_kv"]],
        masks=[mask[0], rest[0]],
        canvas=(300, 290),
    )
    palettes = [adain(graph, content, left, "AdaIN: masked part"), adain(graph, content, right, "AdaIN: rest")]
    noise = graph.add(
        "LatentCompositeMasked",
        "Two palettes, one noise",
        destination=palettes[1][0],
        source=palettes[0][0],
        mask=mask[0],
    )
    settings = graph.add("CellStyleSettings", "Each style keeps its own palette", adain_rate=0.4, adain_end=1.0)
    nodes = sampler(graph, model, content, blend[0], noise[0])
    nodes[0].wires["settings"] = settings[0]
    save = saved(graph, nodes[-1][0], canvas=(360, 340))
    notes = note(graph, "The masks", MASKS)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Masks", GREEN, [[everywhere, half, mask, rest]]), ("Content", GREEN, content.columns))
    graph.column(("Style of the masked part", PURPLE, left.columns), ("Style of the rest", PURPLE, right.columns))
    graph.column(("Both styles", PURPLE, [[blend, *palettes, noise, settings]]))
    graph.column(("Transfer", BROWN, [nodes, [save]]))
    return graph


def style_presets() -> Graph:
    """Porcelain, ink wash and impressionism side by side, a node each."""
    graph = Graph("style_presets")
    model = demo_model(graph)
    content = example(graph, "Content", PLANT)
    presets = (
        ("Porcelain", PORCELAIN, 0.75, 1.5),
        ("Ink wash", INK_WASH, 0.6, 1.5),
        ("Impressionist", IMPRESSION, 0.5, 1.2),
    )
    rows = []
    for title, name, gamma, tau in presets:
        picture = example(graph, title, name)
        transfer = graph.add(
            "CellStyleTransfer",
            f"Transfer: {title.lower()}",
            **model.shared,
            vae=model.vae,
            content=content[0],
            style=picture[0],
            gamma=gamma,
            tau=tau,
            **FAST,
        )
        rows.append((title, [[picture], [transfer], [saved(graph, transfer[0], title, canvas=(340, 340))]]))
    notes = note(graph, "The dials", DIALS)
    graph.column(("Model", BLUE, [model.nodes]), ("Content", GREEN, [[content]]), ("", "", [[notes]]))
    graph.column(*((title, PURPLE, columns) for title, columns in rows))
    return graph
