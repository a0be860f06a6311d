"""The cell style workflows on flow-matching transformers: Z-Image, Flux.2 Klein and Qwen-Image.

Names and addresses are those of ComfyUI's own templates for these models.
"""

from __future__ import annotations

from cell_style_workflows import transfer
from workflow_graph import Graph
from workflow_parts import CHLOROPLAST, GOLGI, INK_WASH, MURAL, PLANT, PORCELAIN, Model

_HUB = "https://huggingface.co/Comfy-Org"
STEPS = {"steps": 20, "solver": "multistep", "refinement": 1}  # 100 network calls for a transfer
NOTE = """\
- **gamma** keeps the cell's structure: 0.75 faithful, 0.5 balanced, 0.3 painterly.
- **tau** sharpens the strokes: 1 is soft, 1.5 the paper's, 2 crisp.
- **steps** 20 with *solver* multistep and *refinement* 1: 100 network calls. Not a turbo or distilled model: its few
  steps cannot be inverted.
- **style_position** *moved* or *untwist*, where the style's layout shows through.
- Pictures are scaled to a width of {width} pixels.
"""


def _file(repository: str, folder: str, name: str) -> dict[str, str]:
    return {"name": name, "url": f"{_HUB}/{repository}/resolve/main/split_files/{folder}/{name}", "directory": folder}


def zimage() -> Graph:
    """Z-Image, not the turbo."""
    graph = Graph("zimage_cell_style (download)")
    model = _model(
        graph,
        _file("z_image", "diffusion_models", "z_image_bf16.safetensors"),
        _file("z_image_turbo", "text_encoders", "qwen_3_4b.safetensors"),
        _file("z_image_turbo", "vae", "ae.safetensors"),
        "lumina2",
    )
    return transfer(graph, model, CHLOROPLAST, INK_WASH, NOTE, STEPS)


def flux2_klein() -> Graph:
    """Flux.2 Klein base, 4B."""
    graph = Graph("flux2_klein_cell_style (download)")
    model = _model(
        graph,
        _file("flux2-klein", "diffusion_models", "flux-2-klein-base-4b.safetensors"),
        _file("flux2-klein", "text_encoders", "qwen_3_4b.safetensors"),
        _file("flux2-dev", "vae", "flux2-vae.safetensors"),
        "flux2",
    )
    return transfer(graph, model, GOLGI, PORCELAIN, NOTE, STEPS)


def qwen_image() -> Graph:
    """Qwen-Image 2512."""
    graph = Graph("qwen_image_cell_style (download)")
    model = _model(
        graph,
        _file("Qwen-Image_ComfyUI", "diffusion_models", "qwen_image_2512_fp8_e4m3fn.safetensors"),
        _file("Qwen-Image_ComfyUI", "text_encoders", "qwen_2.5_vl_7b_fp8_scaled.safetensors"),
        _file("Qwen-Image_ComfyUI", "vae", "qwen_image_vae.safetensors"),
        "qwen_image",
    )
    return transfer(graph, model, PLANT, MURAL, NOTE, STEPS)


def _model(graph: Graph, network: dict[str, str], text: dict[str, str], vae: dict[str, str], kind: str) -> Model:
    """The three files of a transformer, and an empty prompt."""
    loader = graph.add("UNETLoader", "Load Diffusion Model", unet_name=network["name"], models=[network])
    encoder = graph.add("CLIPLoader", "Load CLIP", clip_name=text["name"], type=kind, models=[text])
    decoder = graph.add("VAELoader", "Load VAE", vae_name=vae["name"], models=[vae])
    prompt = graph.add("CLIPTextEncode", "Prompt (empty, as in the paper)", text="", clip=encoder[0])
    return Model([loader, encoder, decoder, prompt], loader[0], prompt[0], decoder[0], 1024)
