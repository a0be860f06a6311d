"""The blueprint "Cell style graph": the paper's graph as one node, for any model, with its dials outside."""

from __future__ import annotations

from blueprint import Blueprint
from workflow_graph import Graph
from workflow_parts import BROWN, FAST, GREEN, PURPLE, Branch, Model, adain, sampler

DESCRIPTION = (
    "A picture keeps the structure of the content and takes the texture and colour of the style, without training: "
    "DDIM inversion, AdaIN of the noise, attention style injection (StyleID). gamma keeps structure, tau sharpens the "
    "strokes, strength takes the palette; preset and speed set them all. Open the subgraph to change anything else."
)
ALIASES = ["style transfer", "StyleID", "style injection", "stylise micrograph", "cell style"]


def cell_style_transfer() -> Blueprint:
    """Model, conditioning, VAE, content and style in; the stylised picture out."""
    graph = Graph("Cell style graph")
    blueprint = Blueprint(graph, DESCRIPTION, ALIASES)
    wires = {name: blueprint.socket(name, name.upper()) for name in ("model", "conditioning", "vae")}
    model = Model([], **wires)
    content = _branch(blueprint, model, "content", "DDIMInvert", "DDIM Invert (content)")
    style = _branch(blueprint, model, "style", "StyleKVCapture", "Style K/V Capture")
    matched = adain(graph, content, style)
    sampled, decoded = sampler(graph, model, content, style.last["style_kv"], matched[0])
    preset = graph.add("CellStylePreset", "Preset", preset="custom", speed="custom")
    for node, dials in (
        (content.last, ("steps", "solver", "spacing")),
        (style.last, ("steps", "solver", "spacing")),
        (matched, ("strength", "mode")),
        (sampled, ("gamma", "tau", "gamma_curve", "gamma_end", "settings")),
    ):
        node.wires.update({dial: preset[dial] for dial in dials})
    for dial in ("gamma", "tau", "strength", "steps", "preset", "speed"):
        blueprint.promote(dial, (preset, dial))
    blueprint.exits.append(("image", decoded[0]))
    graph.column(("Content", GREEN, content.columns), ("Style", PURPLE, style.columns))
    graph.column(("Transfer", BROWN, [[preset, matched], [sampled, decoded]]))
    return blueprint


def _branch(blueprint: Blueprint, model: Model, name: str, last: str, title: str) -> Branch:
    graph, image = blueprint.graph, blueprint.socket(name, "IMAGE")
    latent = graph.add("VAEEncode", "VAE Encode", pixels=image, vae=model.vae)
    node = graph.add(last, title, **model.shared, latent=latent[0], **FAST)
    return Branch([[latent, node]], image, latent[0], node)
