"""The cell style workflows: one graph, three models."""

from __future__ import annotations

from workflow_graph import Graph, Node, Output

CONTENT_PICTURE, STYLE_PICTURE = "content_tem_chloroplast.png", "style_porcelain.png"
BLUE, GREEN, PURPLE, BROWN = "#3f789e", "#4f7a4f", "#6e5a8e", "#8a6d3b"
DIALS = """\
- **gamma** keeps the cell's structure: 0.75 faithful, 0.5 balanced, 0.3 painterly.
- **tau** sharpens the strokes: 1 is soft, 1.5 the paper's, 2 crisp.
- Change a dial and run again: only *Injected Sampler* and what follows is computed.
"""
PICTURES = """
---
**Pictures.** Two come with the pack: drag `{content}` and `{style}` from
`custom_nodes/cellstyle/example_images` onto the *Load Image* nodes, or choose your own.
"""
SD15 = {
    "name": "v1-5-pruned-emaonly-fp16.safetensors",
    "url": "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/"
    "v1-5-pruned-emaonly-fp16.safetensors",
    "directory": "checkpoints",
}
SDXL = {
    "name": "sd_xl_base_1.0.safetensors",
    "url": "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/resolve/main/sd_xl_base_1.0.safetensors",
    "directory": "checkpoints",
}


def demo() -> Graph:
    """The embedded model: runs with no download."""
    graph = Graph("cell_style_demo")
    model = graph.add("CellStyleLoadDemoModel", "Demo model (no download)")
    _transfer(graph, [model], model[0], model[1], model[2], steps=20)
    return graph


def sd15() -> Graph:
    """Stable Diffusion 1.5, the paper's setting."""
    return _with_checkpoint("sd15_cell_style", SD15, 512)


def sdxl() -> Graph:
    """SDXL base 1.0."""
    return _with_checkpoint("sdxl_cell_style", SDXL, 1024)


def _with_checkpoint(name: str, checkpoint: dict[str, str], width: int) -> Graph:
    graph = Graph(name)
    loader = graph.add("CheckpointLoaderSimple", "Load Checkpoint", ckpt_name=checkpoint["name"], models=[checkpoint])
    prompt = graph.add("CLIPTextEncode", "Prompt (empty, as in the paper)", clip=loader["CLIP"])
    note = f"- Pictures are scaled to a width of {width} pixels, the size this model knows best.\n"
    _transfer(graph, [loader, prompt], loader["MODEL"], prompt[0], loader["VAE"], steps=50, width=width, note=note)
    return graph


def _transfer(
    graph: Graph,
    loaders: list[Node],
    model: Output,
    conditioning: Output,
    vae: Output,
    *,
    steps: int,
    width: int | None = None,
    note: str = "",
) -> None:
    """The method: invert the content, capture the style, match their statistics, sample with the injection."""
    shared = {"model": model, "conditioning": conditioning}
    content, content_latent = _picture(graph, "Content: your micrograph", CONTENT_PICTURE, vae, width)
    style, style_latent = _picture(graph, "Style", STYLE_PICTURE, vae, width)
    invert = graph.add("DDIMInvert", "DDIM Invert (content)", **shared, latent=content_latent[0], steps=steps)
    capture = graph.add("StyleKVCapture", "Style K/V Capture", **shared, latent=style_latent[0], steps=steps)
    adain = graph.add("LatentAdaIN", "Latent AdaIN", content=invert["inverted"], style=capture["inverted"])
    sampler = graph.add(
        "InjectedSampler",
        "Injected Sampler: the dials",
        **shared,
        latent=adain[0],
        style_kv=capture["style_kv"],
        content_query=invert["content_query"],
        gamma=0.75,
        tau=1.5,
    )
    picture = graph.add("VAEDecode", "VAE Decode", samples=sampler[0], vae=vae)
    preview = graph.add("PreviewImage", "Preview", images=picture[0])
    save = graph.add("SaveImage", "Stylised micrograph", images=picture[0], filename_prefix=f"CellStyle/{graph.name}")
    text = DIALS + note + PICTURES.format(content=CONTENT_PICTURE, style=STYLE_PICTURE)
    notes = graph.add("MarkdownNote", "The dials", text=text)
    graph.column(("Model", BLUE, [loaders]), ("", "", [[notes]]))
    graph.column(
        ("Content", GREEN, [content[:1], [*content[1:], content_latent, invert]]),
        ("Style", PURPLE, [style[:1], [*style[1:], style_latent, capture]]),
    )
    graph.column(("Transfer", BROWN, [[adain, sampler, picture], [save, preview]]))


def _picture(graph: Graph, title: str, name: str, vae: Output, width: int | None) -> tuple[list[Node], Node]:
    """Load Image, scaled to `width` where one is given, and its latent: ([nodes before], VAE Encode)."""
    nodes = [graph.add("LoadImage", title, image=name)]
    if width:
        nodes.append(
            graph.add("ImageScale", f"Scale to a width of {width}", image=nodes[0]["IMAGE"], width=width, height=0)
        )
    return nodes, graph.add("VAEEncode", "VAE Encode", pixels=nodes[-1][0], vae=vae)


WORKFLOWS = (demo, sd15, sdxl)
