"""The shipped workflows: made by their descriptions, tidy, complete, and executed on a real server."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from comfy_client import ExecutionError
from demo_graph import DEMO_LOADER, EXAMPLE_LOADER
from host_layout import DEFAULT_VERSION
from PIL import Image
from places import ROOT
from sd15_checkpoint import write_sd15_checkpoint
from sd15_helpers import write_sd15_controlnet, write_sd15_lora
from test_server import changed
from transformer_checkpoints import (
    write_clip,
    write_flux2,
    write_flux2_vae,
    write_qwen_image,
    write_qwen_image_vae,
    write_zimage,
    write_zimage_vae,
)
from workflow_files import (
    KINDS,
    NAMES,
    box_of,
    frame_of,
    has_demo_model,
    make_workflows,
    nodes_of,
    overlapping,
    put_upscaler,
    read_api,
    read_ui,
    shortened,
    with_small_pictures,
    with_tiny_model,
    without_text_encoder,
)

FOLDERS = {
    "CheckpointLoaderSimple": "checkpoints",
    "UpscaleModelLoader": "upscale_models",
    "LoraLoader": "loras",
    "ControlNetLoader": "controlnet",
    "UNETLoader": "diffusion_models",
    "CLIPLoader": "text_encoders",
    "VAELoader": "vae",
}
WRITERS = {"checkpoints": write_sd15_checkpoint, "loras": write_sd15_lora, "controlnet": write_sd15_controlnet}


def test_every_file_is_what_its_description_makes():
    assert not make_workflows.outdated(), "run: python tools/workflows/make_workflows.py"


def test_every_workflow_has_both_files_and_nothing_is_left_over():
    folder = ROOT / "workflows"
    made = {path.relative_to(folder) for path in make_workflows.made() if path.is_relative_to(folder)}
    assert made == {path.relative_to(folder) for path in folder.rglob("*.json")}
    assert {path.stem for path in folder.glob("*.jpg")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_overlaps_and_every_node_lies_in_its_frame(name):
    workflow = read_ui(name)
    assert overlapping(workflow) == []
    frames = [frame_of(group) for group in workflow["groups"]]
    for node in workflow["nodes"]:
        left, top, right, bottom = box_of(node)
        inside = [f for f in frames if f[0] < left and f[1] < top and right < f[2] and bottom < f[3]]
        assert len(inside) == (node["type"] != "MarkdownNote"), f"{node['title']} lies in {len(inside)} frames"


@pytest.mark.parametrize("name", NAMES)
def test_every_wire_starts_and_ends_at_a_slot_of_its_type(name):
    workflow = read_ui(name)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for link, start, out, end, slot, kind in workflow["links"]:
        assert nodes[start]["outputs"][out]["type"] == nodes[end]["inputs"][slot]["type"] == kind
        assert link in nodes[start]["outputs"][out]["links"]
        assert nodes[end]["inputs"][slot]["link"] == link


@pytest.mark.parametrize("name", NAMES)
def test_nodes_say_which_pack_they_come_from_and_loaders_and_notes_where_their_model_is(name):
    (note,) = [node["widgets_values"][0] for node in read_ui(name)["nodes"] if node["type"] == "MarkdownNote"]
    assert {"gamma", "tau"} <= set(re.findall(r"\*\*(\w+)\*\*", note))
    for node in read_ui(name)["nodes"]:
        properties = node["properties"]
        if node["type"] == "MarkdownNote":
            continue
        assert node["title"]
        assert properties["Node name for S&R"] == node["type"]
        assert properties["cnr_id"] in ("cellstyle", "comfy-core")
        assert re.fullmatch(r"\d+\.\d+\.\d+", properties["ver"])
        if node["type"] in FOLDERS:
            (model,) = properties["models"]
            assert model["name"] == node["widgets_values"][0] == model["url"].rsplit("/", 1)[1]
            assert model["url"].startswith("https://huggingface.co/")
            assert model["directory"] == FOLDERS[node["type"]]
            assert f"`{model['name']}` in `models/{model['directory']}`" in note


def test_every_picture_comes_with_the_pack():
    """A user who has just installed it has no file of his own that a node could name."""
    shown = set()
    for name in NAMES:
        graph = read_api(name)
        assert not nodes_of(graph, "LoadImage")
        for node in nodes_of(graph, "CellStyleLoadMicrograph"):
            assert graph[node]["inputs"]["file"] == ""
            shown.add(graph[node]["inputs"]["example"])
        shown |= {graph[node]["inputs"]["picture"] for node in nodes_of(graph, EXAMPLE_LOADER)}
    assert shown == {path.name for path in (ROOT / "example_images").iterdir()} - {"README.md"}


def test_no_widget_is_empty_for_a_fresh_user():
    """A list without an entry, such as styles before the first is saved, would show "null" on its node."""
    for name in NAMES:
        for node in read_ui(name)["nodes"]:
            assert None not in node["widgets_values"], f"{name}: {node['title']}"


def test_the_dials_are_the_papers_and_a_transfer_takes_at_most_35_calls():
    for name in ("cell_style_demo", "sd15_cell_style (download)", "sdxl_cell_style (download)"):
        graph = read_api(name)
        inversions = [
            graph[node]["inputs"] for kind in ("DDIMInvert", "StyleKVCapture") for node in nodes_of(graph, kind)
        ]
        chosen = {(found["steps"], found["solver"], found["spacing"], found["refinement"]) for found in inversions}
        assert len(inversions) == 2 and chosen == {(11, "multistep", "linspace", 0)}
        (sampler,) = nodes_of(graph, "InjectedSampler")
        dials = graph[sampler]["inputs"]
        assert (dials["gamma"], dials["tau"], dials["gamma_curve"]) == (0.75, 1.5, "constant")


def as_the_host_can(server, graph: dict) -> dict:
    """The graph, without residual features on a ComfyUI that refuses them: before 0.30, and in words."""
    inversions = [node for node in nodes_of(graph, "DDIMInvert") if graph[node]["inputs"].get("residual_features")]
    if not inversions or server.host.version == DEFAULT_VERSION:
        return graph
    with pytest.raises(ExecutionError, match="this version of ComfyUI does not let a node read residual blocks"):
        server.client.run(graph)
    without = {f"{node}__residual_features": "" for node in inversions}
    return changed(
        graph, **without, **{f"{node}__feature_strength": 0.0 for node in nodes_of(graph, "CellStyleSettings")}
    )


def run_and_open(server, graph) -> list[np.ndarray]:
    """Execute a graph; the pictures that its Save Image nodes wrote, or its previews, as (height, width, 3)."""
    graph = as_the_host_can(server, graph)
    result = server.client.run(graph)
    previews = nodes_of(graph, "PreviewImage")
    for node in previews:
        assert result.outputs[node]["images"]
    pictures = []
    for node in nodes_of(graph, "SaveImage") or previews:
        for image in result.outputs[node]["images"]:
            pictures.append(np.asarray(Image.open(io.BytesIO(server.client.fetch_image(image))).convert("RGB")))
    return pictures


SHAPES = {
    "sd15_cell_style (download)": (48, 64, 3),
    "sdxl_cell_style (download)": (48, 64, 3),
    "sd15_upscaled (download)": (48, 64, 3),
    "sd15_lora_controlnet (download)": (48, 64, 3),
    "zimage_cell_style (download)": (48, 64, 3),
    "flux2_klein_cell_style (download)": (48, 64, 3),
    "qwen_image_cell_style (download)": (48, 64, 3),
    "gamma_tau_sheet": None,
    "time_lapse_to_video": None,
}


@pytest.mark.parametrize("name", NAMES)
def test_runs_with_a_small_random_model_in_place_of_the_download(server, name):
    graph = shortened(with_tiny_model(read_api(name), KINDS.get(name, "sd15")), steps=3, width=64)
    graph = with_small_pictures(graph, server.input_dir)
    for node in nodes_of(graph, "UpscaleModelLoader"):
        put_upscaler(server.models_dir / "upscale_models" / graph[node]["inputs"]["model_name"])
    for node in nodes_of(graph, "ControlNetLoader"):
        graph[node] = {"class_type": "CellStyleTestControlNet", "inputs": {"seed": 11}}
    pictures = run_and_open(server, graph)
    assert pictures
    for picture in pictures:
        assert picture.shape == (SHAPES.get(name, (96, 128, 3)) or picture.shape)
        assert picture.std() > 1


@pytest.mark.parametrize("name", [name for name in NAMES if nodes_of(read_api(name), DEMO_LOADER)])
def test_runs_on_the_demo_model(server, name):
    if not has_demo_model(server.client):
        pytest.skip("the embedded demo model is not in this checkout yet")
    graph = shortened(read_api(name), steps=3, max_frames=3)  # the browser test runs one as it is shipped
    if nodes_of(graph, "CellStyleLoadFolder"):  # which has no pictures of the pack's
        graph = with_small_pictures(graph, server.input_dir)
    for picture in run_and_open(server, graph):
        assert picture.std() > 5


def test_sd15_runs_as_it_is_shipped_on_files_of_full_shape(server):
    files = {
        server.models_dir / model["directory"] / model["name"]: WRITERS[model["directory"]]
        for node in read_ui("sd15_lora_controlnet (download)")["nodes"]
        for model in node["properties"].get("models", [])
    }
    try:
        assert [write(path) > size for (path, write), size in zip(files.items(), (2e9, 1e6, 7e8), strict=True)]
        for name in ("sd15_cell_style (download)", "sd15_lora_controlnet (download)"):
            graph = with_small_pictures(shortened(read_api(name), steps=2, width=64), server.input_dir, (64, 64))
            (picture,) = run_and_open(server, graph)
            assert picture.shape == (64, 64, 3)
            assert picture.std() > 1
        assert "lora key not loaded" not in server.log()
    finally:
        for path in files:
            path.unlink(missing_ok=True)
        server.client.free()


# of each template, the class that the loader finds, and who writes the files; the text encoders of Z-Image and
# Qwen-Image have fixed sizes of gigabytes, so that CLIP stands in for the one, a random conditioning for the other
TRANSFORMERS = {
    "flux2_klein": ("Flux2", {"diffusion_models": write_flux2, "text_encoders": write_clip, "vae": write_flux2_vae}),
    "zimage": ("Lumina2", {"diffusion_models": write_zimage, "text_encoders": write_clip, "vae": write_zimage_vae}),
    "qwen_image": ("QwenImage", {"diffusion_models": write_qwen_image, "vae": write_qwen_image_vae}),
}


@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_transformers_run_as_they_are_shipped_through_comfyuis_own_loaders(server, kind):
    """Small files under the names of the downloads: UNETLoader, CLIPLoader and VAELoader read them."""
    name, (network, writers) = f"{kind}_cell_style (download)", TRANSFORMERS[kind]
    graph = shortened(read_api(name), steps=2, refinement=0, width=64)
    if "text_encoders" not in writers:
        graph = without_text_encoder(graph, 3584)
    files = {
        server.models_dir / model["directory"] / model["name"]: writers[model["directory"]]
        for node in read_ui(name)["nodes"]
        for model in node["properties"].get("models", [])
        if model["directory"] in writers
    }
    before = len(server.log())
    try:
        for path, write in files.items():
            write(path)
        (picture,) = run_and_open(server, with_small_pictures(graph, server.input_dir, (64, 64)))
        assert picture.shape == (64, 64, 3)
        assert picture.std() > 1
        said = server.log()[before:]
        assert f"Requested to load {network}" in said
        assert not re.search("(unet|clip) (missing|unexpected)|Missing VAE", said)
    finally:
        for path in files:
            path.unlink(missing_ok=True)
        server.client.free()
