"""CellStyleLoad: a style file back on the wire."""

from __future__ import annotations

import functools
import logging
import os
from types import SimpleNamespace

import comfy.model_management
import torch
from comfy_api.latest import io, ui

from ..attention_patch.architectures.choose import architecture_of
from ..engine.check_conditioning import text_width
from ..engine.checks import check_family
from ..engine.inverted_latent import Inversion, signal_share, with_inversion
from ..engine.revisit import recompute_features
from ..features.feature_bank import FeatureBank, ModelFamily
from ..features.layer_key import LayerKey
from ..features.storage_choice import FP8, Storage, choose_storage
from ..features.wire_values import StyleKV
from ..node_parts.storage_inputs import precision_input, storage_input
from ..node_parts.style_folder import NO_STYLE, style_names, style_path
from ..node_parts.wire_types import CATEGORY, STYLE_KV
from ..style_file.record import Record
from ..style_file.style import Style, read_style

# values that SDXL's and its refiner's pooled output gets appended: sizes and crops, 256 each
_SIZE_EMBEDDING = {"SDXL": 6 * 256, "SDXLRefiner": 5 * 256}


class CellStyleLoad(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleLoad",
            display_name="Load Style",
            category=CATEGORY,
            description="A style saved with Save Style, instead of a style image and Style K/V Capture.",
            search_aliases=["load style", "import style", "style file", "style library", "style preset"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=style_names() or [NO_STYLE],
                    tooltip=(
                        "A style in models/cellstyle. Press R in the editor to see files that are new. A script may "
                        "also name a style that it uploaded: name.safetensors [input]."
                    ),
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip=(
                        "The model to use the style with. Compact files need it: it computes their features, one "
                        "network call a step. For full files it only checks that the style fits."
                    ),
                ),
                storage_input(optional=True),
                precision_input(),
                io.String.Input(
                    "file_name",
                    optional=True,
                    force_input=True,
                    tooltip="The file that Save Style has just written, from its output of that name; instead of file.",
                ),
            ],
            outputs=[
                STYLE_KV.Output(display_name="style_kv", tooltip="The style; to Injected Sampler."),
                io.Latent.Output(display_name="inverted", tooltip="The style's noise; to Latent AdaIN."),
                io.Image.Output(display_name="thumbnail", tooltip="The small picture in the file."),
                io.String.Output(
                    display_name="info", tooltip="Title, author, licence, model, steps, layers and size, as text."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, file, file_name=""):
        name = _chosen(file, file_name)
        if not isinstance(name, str):  # a wire gives the name, unknown before the run
            return True
        if name == NO_STYLE:
            raise ValueError("no style is saved yet: run Save Style once, press R in the editor, and choose it here.")
        style_path(name)
        return True

    @classmethod
    def fingerprint_inputs(cls, file, file_name="", **kwargs):
        name = _chosen(file, file_name)
        if not isinstance(name, str):
            return "by wire"  # a new name makes ComfyUI run the node again anyway
        try:
            facts = os.stat(style_path(name))
        except (OSError, ValueError):
            return "missing"
        return f"{facts.st_mtime_ns}:{facts.st_size}:{facts.st_ino}"

    @classmethod
    def execute(cls, file, model=None, storage="auto", feature_precision="full", file_name=""):
        file = _chosen(file, file_name)
        path = style_path(file)
        style = read_style(path, accept=functools.partial(_accept, file, model))
        bank = bank_of(style)
        size = os.path.getsize(path)
        if bank.blocks:
            logging.info(f"CellStyleLoad: {file}, {size / 1e6:.1f} MB, {bank.nbytes() / 1e6:.0f} MB of features")
        else:
            chosen = _storage_for(bank, model, storage, feature_precision)
            logging.info(f"CellStyleLoad: {file}, {size / 1e6:.1f} MB; {len(bank.levels)} steps, {chosen}")
            if chosen.place != "recompute":
                recompute_features(model, bank, chosen)
        picture = torch.from_numpy(style.picture)[None]
        info = describe(file, style.record, size)
        inverted = _inverted(style, bank, model)
        return io.NodeOutput(StyleKV(bank), inverted, picture, info, ui=ui.PreviewImage(picture))


def _chosen(file, file_name):
    """The name to read; None before a run where a wire gives it."""
    return file if file_name == "" else file_name


def bank_of(style: Style) -> FeatureBank:
    """The bank of a file's style; without features where the file has none."""
    record = style.record
    bank = FeatureBank(
        family_from(record),
        torch.tensor(record.sigmas, dtype=torch.float32),
        tuple(LayerKey(*layer) for layer in record.layers),
        style.clean,
    )
    bank.inputs, bank.conditioning, bank.solver = style.inputs, style.conditioning, record.solver
    bank.blocks = {LayerKey(*layer): block for layer, block in style.blocks.items()}
    bank.grids = {LayerKey(*layer): grid for layer, grid in record.grids.items()}
    return bank


def _inverted(style: Style, bank: FeatureBank, model) -> dict:
    """The style's noise as a LATENT; with the clean latent where there is a model, whose scale it needs."""
    clean, share = None, 1.0
    if model is not None:
        clean = model.model.process_latent_out(style.clean.float())
        share = signal_share(model.get_model_object("model_sampling"), float(bank.sigmas[0]))
    inversion = Inversion(bank.sigmas, bank.solver, bank.spacing, clean, style.inverted, share)
    return with_inversion({"samples": style.inverted}, inversion)


def family_from(record: Record) -> ModelFamily:
    """The model family that a style file was made with."""
    return ModelFamily(record.model, tuple((LayerKey(*layer), width) for layer, width in record.widths.items()))


def _storage_for(bank: FeatureBank, model, storage: str, precision: str) -> Storage:
    dtype = FP8 if precision == "fp8" else model.model.get_dtype_inference()
    size = comfy.model_management.dtype_size(dtype)
    features = architecture_of(model).predicted_bytes(
        bank.layers, tuple(bank.clean.shape), len(bank.levels), size, bank.role
    )
    trajectory = sum(seen.numel() * seen.element_size() for seen in bank.inputs.values())
    return choose_storage(storage, precision, features, trajectory, model.load_device)


def _accept(file: str, model, record: Record, size: int) -> None:
    """Raises ValueError for what the header alone shows, before the tensors take memory."""
    if model is not None:
        family = architecture_of(model).fingerprint()
        check_family(f"the style {file}", SimpleNamespace(family=family_from(record)), family)
        _check_shapes(file, model.model, record)
    elif not record.features:
        raise ValueError(
            f"{file} is a compact style file, whose features the model computes again: connect model. (Save Style with "
            "format full makes files that need none.)"
        )
    free = comfy.model_management.get_free_memory(torch.device("cpu"))
    if size > free:
        raise ValueError(
            f"{file} needs {size / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. Close other programs, or "
            "save the style as compact."
        )


def _check_shapes(file: str, model, record: Record) -> None:
    """Raises ValueError where the latents or the conditioning are not what the model takes."""
    channels, context = model.latent_format.latent_channels, text_width(model)
    sizes = _SIZE_EMBEDDING.get(record.model.split("/")[0])
    pooled = None if sizes is None else model.adm_channels - sizes
    fits = record.shape[1] == channels and all(
        cond.cross_attn[2] == (context or cond.cross_attn[2])
        and (pooled is None or (cond.pooled_output is not None and cond.pooled_output[1] == pooled))
        and {cond.cross_attn[0], *(cond.pooled_output or ())[:1]} <= {1, record.shape[0]}
        for cond in record.conditioning
    )
    if not fits:
        raise ValueError(
            f"{file} holds latents or a conditioning of another size than this model takes. Connect the kind of model "
            "that the style was captured with, or get the file again."
        )


def describe(file: str, record: Record, size: int) -> str:
    """What a person wants to know about a style file, a line each."""
    batch, *_, height, width = record.shape
    layers = ", ".join(dict.fromkeys(f"{block}.{number}" for block, number, _ in record.layers))
    lines = [
        *(f"{name}: {text}" for name, text in record.texts.items() if text),
        f"file: {file}, {'full' if record.features else 'compact'}, {size / 1e6:.1f} MB, "
        f"{(record.features or record.inputs).replace('F', 'fp')}",
        f"model: {record.model}",
        f"steps: {record.levels}, sigma {record.sigmas[0]:.3g} to {record.sigmas[-1]:.3g}, solver {record.solver}",
        f"layers: {layers}",
        f"latent: {width} x {height}" + (f", {batch} images" if batch > 1 else ""),
        f"made with: CellStyle {record.pack_version}",
    ]
    return "\n".join(lines)
