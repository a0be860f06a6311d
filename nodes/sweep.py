"""CellStyleSweep: the rheostat at a glance, gamma by tau."""

from __future__ import annotations

from dataclasses import replace

import comfy.model_management
import comfy.utils
import torch
from comfy_api.latest import io, ui
from PIL import Image

from ..contact_sheet.sheet import draw_sheet
from ..contact_sheet.values import parse_values
from ..engine.dials import Dials
from ..engine.inject import with_style_injection
from ..engine.sample import sample_injected
from ..node_parts.before_run import ABSENT, check_guidance, check_queries, check_values
from ..node_parts.dial_inputs import injection_inputs, settings_input
from ..node_parts.preview import SharedPreview
from ..node_parts.sampling_inputs import sampling_inputs
from ..node_parts.wire_types import CATEGORY, CONTENT_QUERY, STYLE_KV

MOST_CELLS = 64


class CellStyleSweep(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleSweep",
            display_name="Cell Style Sweep",
            category=CATEGORY,
            description=(
                "Samples every pair of the listed gamma and tau values and puts the pictures on one labelled contact "
                "sheet. The inversions are shared, so a cell costs one sampling."
            ),
            is_output_node=True,
            search_aliases=["contact sheet", "grid", "xy plot", "parameter sweep", "compare gamma tau", "rheostat"],
            inputs=[
                io.Model.Input("model", tooltip="The model that made style_kv and content_query."),
                io.Conditioning.Input("conditioning", tooltip="The paper uses an empty prompt."),
                io.Latent.Input("latent", tooltip="The inverted content, through Latent AdaIN or directly."),
                io.Vae.Input("vae", tooltip="Decodes the cells to pictures."),
                STYLE_KV.Input("style_kv", tooltip="From Style K/V Capture, Blend or Load."),
                CONTENT_QUERY.Input(
                    "content_query", optional=True, tooltip="From DDIM Invert. Needed while a gamma is above 0."
                ),
                io.String.Input(
                    "gammas",
                    default="0.3, 0.5, 0.75",
                    tooltip=(
                        "The columns: query preservation from 0 to 1, separated by commas. Higher keeps more of the "
                        "content's structure. More values: more cells, more time."
                    ),
                ),
                io.String.Input(
                    "taus",
                    default="1.0, 1.5",
                    tooltip=(
                        "The rows: attention temperatures from 0.1 to 10, separated by commas. Higher is sharper. At "
                        f"most {MOST_CELLS} cells in all."
                    ),
                ),
                *_other_dials(),
                *sampling_inputs(),
                io.Int.Input(
                    "picture_size",
                    default=512,
                    min=64,
                    max=4096,
                    step=8,
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "Longest side of a picture on the sheet, in pixels. Higher: a larger sheet. Pictures are never "
                        "enlarged, and the images output keeps them as they are."
                    ),
                ),
                settings_input(),
            ],
            outputs=[
                io.Image.Output(display_name="sheet", tooltip="The contact sheet; one for each latent of a batch."),
                io.Image.Output(
                    display_name="images",
                    tooltip="Every cell in full size, row by row; for a batch, one latent's cells after the other's.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        gammas=None,
        taus=None,
        gamma_curve=None,
        gamma_end=None,
        start_percent=None,
        end_percent=None,
        style_kv=ABSENT,
        content_query=ABSENT,
        cfg=None,
        negative=ABSENT,
    ):
        ranges = {"start_percent": start_percent, "end_percent": end_percent}
        curve = {"gamma_curve": gamma_curve, "gamma_end": gamma_end}
        check_values(cls, {**curve, **ranges, "cfg": cfg})
        if gammas is not None and taus is not None:
            columns, _ = _axes(gammas, taus)
            check_queries(style_kv, content_query, columns, **curve, **ranges)
        check_guidance(cfg, negative)
        return True

    @classmethod
    def execute(
        cls,
        model,
        conditioning,
        latent,
        vae,
        style_kv,
        gammas,
        taus,
        content_query=None,
        picture_size=512,
        sigmas=None,
        negative=None,
        cfg=1.0,
        **dials,
    ):
        gammas, taus = _axes(gammas, taus)
        dials = Dials(**dials)
        # checks the cell that needs most, before any is sampled
        with_style_injection(model, style_kv, content_query, replace(dials, gamma=max(gammas), tau=taus[0]))

        cells = [(gamma, tau) for tau in taus for gamma in gammas]
        samples = []
        progress = SharedPreview(model, len(cells))
        for gamma, tau in cells:
            samples.append(
                sample_injected(
                    "CellStyleSweep",
                    model,
                    conditioning,
                    latent,
                    style_kv,
                    content_query,
                    replace(dials, gamma=gamma, tau=tau),
                    sigmas,
                    negative,
                    cfg,
                    progress,
                )
            )
        # decoded after all are sampled: the VAE is loaded once
        pictures = []
        for cell in samples:
            comfy.model_management.throw_exception_if_processing_interrupted()
            pictures.append(vae.decode(cell).float().cpu())

        rows, columns = [f"tau {tau:g}" for tau in taus], [f"gamma {gamma:g}" for gamma in gammas]
        hints = f"{progress.total // len(cells)} steps", "higher gamma keeps more structure", "higher tau is sharper"
        footer = " \u00b7 ".join(hints)
        sheets = [
            torch.from_numpy(draw_sheet([cell[i].numpy() for cell in pictures], rows, columns, picture_size, footer))
            for i in range(len(pictures[0]))
        ]
        sheet = torch.stack(sheets)
        _show_last(sheet, progress.total)
        images = torch.stack(pictures, dim=1).flatten(0, 1)
        return io.NodeOutput(sheet, images, ui=ui.PreviewImage(sheet))


def _axes(gammas: str, taus: str) -> tuple[list[float], list[float]]:
    """The columns and the rows. Raises: ValueError: not numbers in their range, or too many cells."""
    columns = parse_values(gammas, "gammas", 0.0, 1.0, "0.3, 0.5, 0.75")
    rows = parse_values(taus, "taus", 0.1, 10.0, "1.0, 1.5")
    count = len(columns) * len(rows)
    if count > MOST_CELLS:
        raise ValueError(
            f"{len(columns)} gammas and {len(rows)} taus make {count} cells; at most {MOST_CELLS}. List fewer."
        )
    return columns, rows


def _show_last(sheet: torch.Tensor, total: int) -> None:
    """The sheets (B, H, W, 3) as the last preview: the front end shows that in place of the node's result."""
    picture = Image.fromarray((sheet.flatten(0, 1) * 255).round().to(torch.uint8).numpy())
    comfy.utils.ProgressBar(total).update_absolute(total, total, ("JPEG", picture, None))


def _other_dials() -> list:
    """The sampler's dials but the two that are swept."""
    return [dial for dial in injection_inputs() if dial.id not in ("gamma", "tau")]
