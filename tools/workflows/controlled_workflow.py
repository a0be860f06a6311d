"""A workflow with a LoRA on the model and a ControlNet that holds the outlines of the cell."""

from __future__ import annotations

import dataclasses

from workflow_graph import Graph
from workflow_parts import (
    BLUE,
    BROWN,
    CHLOROPLAST,
    CONTROL_NET,
    DIALS,
    FAST,
    GREEN,
    IMPRESSION,
    LORA,
    PURPLE,
    SD15,
    Branch,
    adain,
    checkpoint,
    example,
    note,
    sampler,
    saved,
    style_branch,
)

CONTROLLED = (
    DIALS
    + """\
- **LoRA** changes the model before everything else: noise and features of one model mean nothing to another. Its
  trigger words are the prompt, and all three nodes see it.
- **ControlNet** shows the content's edges to *DDIM Invert* and to *Injected Sampler*: noise that was found with the
  edges gives the content back only with the edges. *Style K/V Capture* goes without: these are not its edges.
- The edges keep the outlines, so gamma can be lower: here 0.5. Less *strength* lets the brush leave the lines; the
  thresholds of *Edges* say which lines there are.
"""
)
PROMPT = "impressionism, watercolor painting"  # what the LoRA was trained with


def sd15_lora_controlnet() -> Graph:
    """Stable Diffusion 1.5 with a watercolour LoRA and a ControlNet for edges."""
    graph = Graph("sd15_lora_controlnet (download)")
    model = checkpoint(graph, SD15, 512, LORA, PROMPT)
    model.nodes[1].values |= {"strength_model": 0.75, "strength_clip": 0.75}
    picture = example(graph, "Content", CHLOROPLAST)
    scaled = graph.add("ImageScale", "Scale to a width of 512", image=picture[0], width=512, height=0)
    edges = graph.add("Canny", "Edges", image=scaled[0], low_threshold=0.2, high_threshold=0.4)
    loader = graph.add(
        "ControlNetLoader", "Load ControlNet", control_net_name=CONTROL_NET["name"], models=[CONTROL_NET]
    )
    control = graph.add(
        "ControlNetApplyAdvanced",
        "Prompt with edges",
        positive=model.conditioning,
        negative=model.conditioning,
        control_net=loader[0],
        image=edges[0],
        strength=0.8,
    )
    controlled = dataclasses.replace(model, conditioning=control["positive"])
    latent = graph.add("VAEEncode", "VAE Encode", pixels=scaled[0], vae=model.vae)
    invert = graph.add("DDIMInvert", "DDIM Invert (content, edges)", **controlled.shared, latent=latent[0], **FAST)
    shown = graph.add("PreviewImage", "The edges", images=edges[0], canvas=(300, 300))
    columns = [[picture, shown], [scaled, edges, loader, control], [latent, invert]]
    content = Branch(columns, scaled[0], latent[0], invert)
    style = style_branch(graph, model, IMPRESSION)
    matched = adain(graph, content, style)
    nodes = [matched, *sampler(graph, controlled, content, style.last["style_kv"], matched[0])]
    nodes[1].values["gamma"] = 0.5
    save = saved(graph, nodes[-1][0])
    notes = note(graph, "LoRA and ControlNet", CONTROLLED)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Content with its edges", GREEN, content.columns), ("Style", PURPLE, style.columns))
    graph.column(("Transfer", BROWN, [nodes, [save]]))
    return graph
