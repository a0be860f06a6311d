"""CellStyleLoadMicrograph: microscopy files, with their dynamic range and pixel size."""

from __future__ import annotations

import json
import os

import torch
from comfy_api.latest import io, ui

from ..micrograph.load import Choices, load_micrograph
from ..node_parts.example_pictures import example_micrographs
from ..node_parts.micrograph_files import NO_EXAMPLE, micrograph_names, micrograph_path
from ..node_parts.micrograph_inputs import micrograph_inputs
from ..node_parts.wire_types import CATEGORY

PREVIEWED = 4


class CellStyleLoadMicrograph(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleLoadMicrograph",
            display_name="Load Micrograph",
            category=CATEGORY,
            description=(
                "Loads a microscopy picture: 8, 12 and 16 bit, real-valued, multi-channel, z-stacks and time series, "
                "OME-TIFF, ImageJ TIFF, BigTIFF, slides (SVS, NDPI), PNG and JPEG, and, with the vendor's optional "
                "package, CZI, LIF, OIB, MRC, DM3, DM4 and DICOM. Nothing of a 16-bit picture is lost before the "
                "contrast."
            ),
            search_aliases=[
                "load tiff",
                "ome-tiff",
                "microscopy",
                "16-bit",
                "z-stack",
                "imagej",
                "fluorescence",
                "lsm",
                "czi",
                "lif",
                "svs",
                "dicom",
                "mrc",
            ],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=micrograph_names(),
                    upload=io.UploadType.image,
                    tooltip=(
                        "A micrograph in ComfyUI's input folder: TIFF and its kin, PNG, JPEG, CZI, LIF, OIB, MRC, "
                        "DM3, DM4 or DICOM. Drop a file on the node to upload it, or use the button."
                    ),
                ),
                *micrograph_inputs(),
                io.Combo.Input(
                    "example",
                    options=[NO_EXAMPLE, *example_micrographs()],
                    default=NO_EXAMPLE,
                    optional=True,
                    advanced=True,
                    tooltip="A picture that comes with the node pack, used only while no file is chosen.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="The picture, or one a frame."),
                io.Mask.Output(
                    display_name="mask",
                    tooltip="1 where the picture is, 0 on padding and where the file is transparent.",
                ),
                io.String.Output(
                    display_name="metadata",
                    tooltip=(
                        "JSON: original size, type, axes, channels, pixel size, contrast, and the way back to the size."
                    ),
                ),
                io.Float.Output(
                    display_name="pixel_size",
                    tooltip=(
                        "Micrometres per pixel of the image given out, resizing included; 0 if the file does not say."
                    ),
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, file, example=NO_EXAMPLE):
        if isinstance(file, str) and isinstance(example, str):  # else one comes from another node
            micrograph_path(file, example)
        return True

    @classmethod
    def fingerprint_inputs(cls, file, example=NO_EXAMPLE, **kwargs):
        try:
            facts = os.stat(micrograph_path(file, example))
        except (OSError, ValueError):
            return "missing"
        return f"{facts.st_mtime_ns}:{facts.st_size}"

    @classmethod
    def execute(cls, file, example=NO_EXAMPLE, **choices):
        path = micrograph_path(file, example)
        loaded = load_micrograph(path, os.path.basename(file or example), Choices(**choices))
        image = torch.from_numpy(loaded.images)
        metadata = json.dumps(loaded.metadata, ensure_ascii=False, indent=1)
        return io.NodeOutput(
            image,
            torch.from_numpy(loaded.valid),
            metadata,
            loaded.pixel_size,
            ui=ui.PreviewImage(image[:PREVIEWED]),
        )
