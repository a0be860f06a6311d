"""Pieces that the workflows share: a model, a picture and its latent, the two branches, notes, what is saved."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_graph import Graph, Node, Output

CHLOROPLAST, FLUORESCENCE, GOLGI, PLANT, TISSUE = (
    f"content_{name}.png" for name in ("tem_chloroplast", "fluorescence", "golgi", "plant_cells", "tissue")
)
TIME_LAPSE = "content_time_lapse.tif"
DURIAN, IMPRESSION, INK_WASH, MURAL, PORCELAIN, WOODBLOCK = (
    f"style_{name}.png" for name in ("durian", "impression", "ink_wash", "mural", "porcelain", "woodblock")
)
BLUE, GREEN, PURPLE, BROWN = "#3f789e", "#4f7a4f", "#6e5a8e", "#8a6d3b"
FAST = {"steps": 11, "solver": "multistep", "spacing": "linspace"}  # 33 network calls for a transfer
DIALS = """\
- **gamma** keeps the cell's structure: 0.75 faithful, 0.5 balanced, 0.3 painterly.
- **tau** sharpens the strokes: 1 is soft, 1.5 the paper's, 2 crisp.
- Change a dial and run again: only what comes after it is computed.
- **steps** 11 with *solver* multistep and *spacing* linspace is fast: 33 network calls. The paper's 150 are steps 50
  with solver ddim, in both branches.
"""
PICTURES = """
---
**Your pictures.** *Load Example Picture* shows what comes with the pack. Drop a file of yours on the canvas and wire
the *Load Image* that appears in its place.
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
UPSCALER = {
    "name": "RealESRGAN_x4plus.safetensors",
    "url": "https://huggingface.co/Comfy-Org/Real-ESRGAN_repackaged/resolve/main/RealESRGAN_x4plus.safetensors",
    "directory": "upscale_models",
}
LORA = {
    "name": "fladdict-watercolor-sd-1-5.safetensors",
    "url": "https://huggingface.co/fladdict/watercolor/resolve/main/fladdict-watercolor-sd-1-5.safetensors",
    "directory": "loras",
}
CONTROL_NET = {
    "name": "control_v11p_sd15_canny_fp16.safetensors",
    "url": "https://huggingface.co/comfyanonymous/ControlNet-v1-1_fp16_safetensors/resolve/main/"
    "control_v11p_sd15_canny_fp16.safetensors",
    "directory": "controlnet",
}


@dataclass
class Model:
    """What a workflow samples with. width: pictures are scaled to it; None leaves them alone."""

    nodes: list[Node]
    model: Output
    conditioning: Output
    vae: Output
    width: int | None = None

    @property
    def shared(self) -> dict[str, Output]:
        """The two wires that every sampling node takes."""
        return {"model": self.model, "conditioning": self.conditioning}


@dataclass
class Branch:
    """A picture on its way to noise. columns: its nodes as they stand in their frame."""

    columns: list[list[Node]]
    image: Output
    latent: Output
    last: Node


def demo_model(graph: Graph) -> Model:
    """The embedded model."""
    node = graph.add("CellStyleLoadDemoModel", "Demo model (no download)")
    return Model([node], node["model"], node["conditioning"], node["vae"])


def checkpoint(
    graph: Graph, source: dict[str, str], width: int, lora: dict[str, str] | None = None, text: str = ""
) -> Model:
    """A checkpoint, with a LoRA if one is named, and its prompt."""
    loader = graph.add("CheckpointLoaderSimple", "Load Checkpoint", ckpt_name=source["name"], models=[source])
    nodes = [loader]
    if lora:
        wires = {"model": loader["MODEL"], "clip": loader["CLIP"]}
        nodes.append(graph.add("LoraLoader", "Load LoRA", **wires, lora_name=lora["name"], models=[lora]))
    title = "Prompt" if text else "Prompt (empty, as in the paper)"
    prompt = graph.add("CLIPTextEncode", title, text=text, clip=nodes[-1]["CLIP"])
    return Model([*nodes, prompt], nodes[-1]["MODEL"], prompt[0], loader["VAE"], width)


def example(graph: Graph, title: str, name: str) -> Node:
    """A picture of the pack, so that the workflow runs before the user has brought one."""
    return graph.add("CellStyleLoadExample", title, picture=name)


def content_branch(graph: Graph, model: Model, *names: str, inversion: dict = FAST) -> Branch:
    """A picture, or a batch of several, to DDIM Invert."""
    return _branch(graph, model, "Content", names or (CHLOROPLAST,), "DDIMInvert", "DDIM Invert (content)", inversion)


def style_branch(
    graph: Graph, model: Model, name: str = PORCELAIN, title: str = "Style", inversion: dict = FAST
) -> Branch:
    """A picture to Style K/V Capture."""
    return _branch(graph, model, title, (name,), "StyleKVCapture", "Style K/V Capture", inversion)


def _branch(
    graph: Graph, model: Model, title: str, names: tuple[str, ...], last: str, last_title: str, inversion: dict
) -> Branch:
    pictures = [example(graph, title, name) for name in names]
    image, scaled = pictures[0][0], []
    if len(pictures) > 1:
        images, size = [picture[0] for picture in pictures], (300, 46 + 20 * len(pictures))
        batch = graph.add("BatchImagesNode", "One batch", images=images, canvas=size)
        image, scaled = batch[0], [batch]
    if model.width:
        scale = graph.add("ImageScale", f"Scale to a width of {model.width}", image=image, width=model.width, height=0)
        image, scaled = scale[0], [*scaled, scale]
    latent = graph.add("VAEEncode", "VAE Encode", pixels=image, vae=model.vae)
    node = graph.add(last, last_title, **model.shared, latent=latent[0], **inversion)
    return Branch([pictures, [*scaled, latent, node]], image, latent[0], node)


def adain(graph: Graph, content: Branch, style: Branch, title: str = "Latent AdaIN") -> Node:
    """The content's noise with the style's colours in it, by the start that keeps flat backgrounds flatter."""
    wires = {"content": content.last["inverted"], "style": style.last["inverted"]}
    return graph.add("LatentAdaIN", title, **wires, mode="noise-preserving")


def sampler(graph: Graph, model: Model, content: Branch, style_kv: Output, noise: Output) -> list[Node]:
    """Injected Sampler and VAE Decode."""
    sampled = graph.add(
        "InjectedSampler",
        "Injected Sampler: the dials",
        **model.shared,
        latent=noise,
        style_kv=style_kv,
        content_query=content.last["content_query"],
        gamma=0.75,
        tau=1.5,
    )
    return [sampled, graph.add("VAEDecode", "VAE Decode", samples=sampled[0], vae=model.vae)]


def saved(
    graph: Graph, image: Output, title: str = "Stylised micrograph", canvas: tuple[int, int] | None = None
) -> Node:
    """Save Image under the workflow's name, without what its title says in brackets."""
    prefix = f"CellStyle/{graph.name.split(' (')[0]}"
    return graph.add("SaveImage", title, images=image, filename_prefix=prefix, canvas=canvas)


def note(graph: Graph, title: str, text: str, canvas: tuple[int, int] | None = None) -> Node:
    """A note, and in it what has to be downloaded, and how to take pictures of one's own."""
    return graph.add("MarkdownNote", title, text=downloads(graph) + text + PICTURES, canvas=canvas)


def downloads(graph: Graph) -> str:
    """A paragraph on the files that a graph's nodes name, empty where there are none."""
    files = [f"`{model['name']}` in `models/{model['directory']}`" for node in graph.nodes for model in node.models]
    if not files:
        return ""
    return f"**Needs** {', '.join(files)}. ComfyUI offers what is missing when this opens; then press R.\n\n"
