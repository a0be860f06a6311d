"""CellStyleLoadFolder: the micrographs of a folder as a list, one after the other, with their names."""

from __future__ import annotations

import json
import os

import torch
from comfy_api.latest import io

from ..micrograph.limits import MAX_SAMPLES
from ..micrograph.load import Choices, load_micrograph
from ..node_parts.micrograph_files import micrograph_folder
from ..node_parts.micrograph_inputs import micrograph_inputs
from ..node_parts.wire_types import CATEGORY


class CellStyleLoadFolder(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleLoadFolder",
            display_name="Load Micrograph Folder",
            category=CATEGORY,
            description=(
                "Loads the micrographs of a folder as a list: each goes through the graph by itself, in natural order, "
                "and Save Image can name each result after its file."
            ),
            search_aliases=["batch", "folder", "directory", "glob", "load images", "plate", "many tiff"],
            inputs=[
                io.String.Input(
                    "folder",
                    default="",
                    tooltip=(
                        "A folder in ComfyUI's input folder, or a pattern such as plate1/*_dapi.tif or */*.tif. Empty: "
                        "the input folder itself."
                    ),
                ),
                io.Int.Input(
                    "first",
                    default=1,
                    min=1,
                    max=1_000_000,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip=(
                        "The file to begin with, counted from 1 in natural order (2 before 10). With most at 1 and "
                        "increment below, each queued run takes the next file, and one picture at a time is in memory."
                    ),
                ),
                io.Int.Input(
                    "most",
                    default=64,
                    min=1,
                    max=100_000,
                    tooltip="How many files at most. Higher: a longer list, whose finished pictures are all in memory.",
                ),
                *micrograph_inputs(),
            ],
            outputs=[
                io.Image.Output(display_name="image", is_output_list=True, tooltip="A picture a file, or a batch."),
                io.Mask.Output(
                    display_name="mask",
                    is_output_list=True,
                    tooltip="1 where the picture is, 0 on padding and where the file is transparent.",
                ),
                io.String.Output(
                    display_name="metadata", is_output_list=True, tooltip="As of Load Micrograph, one a file."
                ),
                io.Float.Output(
                    display_name="pixel_size", is_output_list=True, tooltip="Micrometres per pixel, 0 if unknown."
                ),
                io.String.Output(
                    display_name="name",
                    is_output_list=True,
                    tooltip="The file's name with its folder, without its ending: for filename_prefix of Save Image.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, folder):
        if isinstance(folder, str):  # else it comes from another node
            micrograph_folder(folder)
        return True

    @classmethod
    def fingerprint_inputs(cls, folder, **kwargs):
        try:
            facts = [(name, os.stat(path)) for name, path in micrograph_folder(folder)]
        except (OSError, ValueError):
            return "missing"
        return str([(name, fact.st_mtime_ns, fact.st_size) for name, fact in facts])

    @classmethod
    def execute(cls, folder, first, most, **choices):
        files = micrograph_folder(folder)
        if first > len(files):
            raise ValueError(f"first is {first}; the folder holds {len(files)} micrographs. Choose 1 to {len(files)}.")
        images, masks, metadata, sizes, names, kept = [], [], [], [], [], 0
        for name, path in files[first - 1 : first - 1 + most]:  # only the finished pictures stay in memory
            loaded = load_micrograph(path, name, Choices(**choices))
            kept += loaded.images.size
            if kept > MAX_SAMPLES:
                raise ValueError(
                    f"The first {len(images) + 1} pictures of the folder would need {kept / 1e6:,.0f} million values, "
                    f"more than the limit of {MAX_SAMPLES / 1e6:,.0f} million. Lower most, or resize."
                )
            images.append(torch.from_numpy(loaded.images))
            masks.append(torch.from_numpy(loaded.valid))
            metadata.append(json.dumps(loaded.metadata, ensure_ascii=False, indent=1))
            sizes.append(loaded.pixel_size)
            names.append(_save_name(name))
        return io.NodeOutput(images, masks, metadata, sizes, names)


def _save_name(name: str) -> str:
    """A prefix for Save Image: no extension (.ome.tif counts as one), no %, which Save Image would replace."""
    stem = os.path.splitext(name)[0]
    stem = stem[:-4] if stem.lower().endswith(".ome") else stem
    return stem.replace("%", "_")
