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
    files = {
        "diffusion_models": ("z_image", "z_image_bf16"),
        "text_encoders": ("z_image_turbo", "qwen_3_4b"),
        "vae": ("z_image_turbo", "ae"),
    }
    return _graph("zimage", "lumina2", files, CHLOROPLAST, INK_WASH)


def flux2_klein() -> Graph:
    """Flux.2 Klein base, 4B."""
    files = {
        "diffusion_models": ("flux2-klein", "flux-2-klein-base-4b"),
        "text_encoders": ("flux2-klein", "qwen_3_4b"),
        "vae": ("flux2-dev", "flux2-vae"),
    }
    return _graph("flux2_klein", "flux2", files, GOLGI, PORCELAIN)


def qwen_image() -> Graph:
    """Qwen-Image 2512."""
    files = {
        "diffusion_models": ("Qwen-Image_ComfyUI", "qwen_image_2512_fp8_e4m3fn"),
        "text_encoders": ("Qwen-Image_ComfyUI", "qwen_2.5_vl_7b_fp8_scaled"),
        "vae": ("Qwen-Image_ComfyUI", "qwen_image_vae"),
    }
    return _graph("qwen_image", "qwen_image", files, PLANT, MURAL)


def _graph(name: str, kind: str, files: dict[str, tuple[str, str]], content: str, style: str) -> Graph:
    """kind: of text encoder, for CLIPLoader. files[folder]: repository and name. content, style: example pictures."""
    graph = Graph(f"{name}_cell_style (download)")
    network, text, vae = (
        _file(repository, folder, f"{file}.safetensors") for folder, (repository, file) in files.items()
    )
    return transfer(graph, _model(graph, network, text, vae, kind), content, style, NOTE, STEPS)


def _model(graph: Graph, network: dict[str, str], text: dict[str, str], vae: dict[str, str], kind: str) -> Model:
    """The three files of a transformer, and an empty prompt."""
    loader = graph.add("UNETLoader", "Load Diffusion Model", unet_name=network["name"], models=[network])
    encoder = graph.add("CLIPLoader", "Load CLIP", clip_name=text["name"], type=kind, models=[text])
    decoder = graph.add("VAELoader", "Load VAE", vae_name=vae["name"], models=[vae])
    prompt = graph.add("CLIPTextEncode", "Prompt (empty, as in the paper)", text="", clip=encoder[0])
    return Model([loader, encoder, decoder, prompt], loader[0], prompt[0], decoder[0], 1024)
