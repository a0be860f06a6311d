"""CellStyleSettings: the finer dials, in a node of their own so that the default graph stays small."""

from __future__ import annotations

from comfy_api.latest import io

from ..engine.dials import StyleSettings
from ..node_parts.dial_inputs import flat_background_input
from ..node_parts.wire_types import CATEGORY, SETTINGS


def _percent(name: str, default: float, tooltip: str):
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.01, tooltip=tooltip)


class CellStyleSettings(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CellStyleSettings",
            display_name="Cell Style Settings",
            category=CATEGORY,
            description=(
                "Finer dials for Injected Sampler, Cell Style Apply, tiles and frames, each off as it comes: when "
                "queries are kept, gamma by layer, AdaIN at every step, tau by image size, residual features, an even "
                "background."
            ),
            search_aliases=[
                "plug and play",
                "residual features",
                "per-step adain",
                "DiffuseST",
                "gamma per layer",
                "background",
                "flat",
            ],
            inputs=[
                _percent(
                    "query_start",
                    0.0,
                    "Where in the sampling the content's queries start to be kept. Later: looser layout.",
                ),
                _percent(
                    "query_end",
                    1.0,
                    "Where they stop. Lower, such as 0.5: structure early and style late (DiffuseST). The sampler's "
                    "start_percent and end_percent are the range of the style's keys and values.",
                ),
                io.String.Input(
                    "layer_gamma",
                    default="",
                    tooltip=(
                        "Factors on gamma by layer, such as output.6-8: 1, output.9-11: 0.5. Lower in the later, finer "
                        "layers: more of the style's fine texture over the content's layout (Kulkarni 2026)."
                    ),
                ),
                _percent(
                    "adain_rate",
                    0.0,
                    "Share of the style's colours that every step takes. Higher: closer palette, less of the content's "
                    "own shading. 0.4 is usual (STRDP); 0 is off.",
                ),
                _percent(
                    "adain_start", 0.0, "Where the per-step AdaIN starts. Later: leaves the layout of light alone."
                ),
                _percent("adain_end", 1.0, "Where it ends. At 1, colours are held to the last step."),
                io.Int.Input(
                    "trained_size",
                    default=0,
                    min=0,
                    max=4096,
                    step=64,
                    tooltip=(
                        "Side in pixels that the model was trained at (512 for SD 1.5, 768 for SD 2.1, 1024 for SDXL): "
                        "tau then grows a little with larger style images, so that attention stays as sharp. 0: off."
                    ),
                ),
                _percent(
                    "feature_strength",
                    0.0,
                    "Share of the content's residual features. Higher: the layout is held firmly, beyond what gamma "
                    "does. Needs residual_features of DDIM Invert (output.4). 0 is off (plug-and-play, Tumanyan 2023).",
                ),
                _percent("feature_end", 0.8, "Until where in the sampling. Higher: holds finer structure too."),
                flat_background_input(
                    "It is found by itself: what is even and reaches the picture's edge. 1 is usual, and needs "
                    "content_query; 0 is off."
                ),
            ],
            outputs=[SETTINGS.Output(display_name="settings", tooltip="To settings of Injected Sampler or Apply.")],
        )

    @classmethod
    def execute(cls, **values):
        return io.NodeOutput(StyleSettings(**values))
