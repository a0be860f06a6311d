"""CellStylePreset: the dials of a look and a speed, for graphs wired by hand."""

from __future__ import annotations

from comfy_api.latest import io

from ..engine.dials import StyleSettings
from ..equations.ddim_inversion import SOLVERS
from ..equations.noise_levels import SPACINGS
from ..equations.query_preservation import CURVES
from ..node_parts.dial_inputs import injection_inputs
from ..node_parts.inversion_inputs import steps_input
from ..node_parts.presets import TransferDials, chosen_dials, preset_inputs
from ..node_parts.wire_types import CATEGORY, SETTINGS
from .latent_adain import MODES, LatentAdaIN


class CellStylePreset(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        own = {dial.id: dial for dial in (*injection_inputs(), *LatentAdaIN.define_schema().inputs, steps_input())}
        return io.Schema(
            node_id="CellStylePreset",
            display_name="Cell Style Preset",
            category=CATEGORY,
            description=(
                "A look and a speed as one choice each. Wire every output to the dial of its name; change the choice, "
                "and the whole graph follows."
            ),
            search_aliases=["preset", "faithful", "balanced", "painterly", "fast", "style settings", "look"],
            inputs=[
                *preset_inputs("balanced", "fast"),
                *(own[name] for name in ("gamma", "tau", "strength", "steps")),
            ],
            outputs=[
                io.Float.Output(display_name="gamma", tooltip="To gamma of Injected Sampler or Cell Style Apply."),
                io.Float.Output(display_name="tau", tooltip="To tau of the same."),
                io.Combo.Output(
                    display_name="gamma_curve", options=list(CURVES), tooltip="To gamma_curve of the same."
                ),
                io.Float.Output(display_name="gamma_end", tooltip="To gamma_end of the same."),
                SETTINGS.Output(
                    display_name="settings",
                    tooltip="To settings of the same: colours held at every step or not, an even background.",
                ),
                io.Float.Output(display_name="strength", tooltip="To strength of Latent AdaIN."),
                io.Combo.Output(display_name="mode", options=list(MODES), tooltip="To mode of Latent AdaIN."),
                io.Int.Output(display_name="steps", tooltip="To steps of DDIM Invert and of Style K/V Capture."),
                io.Combo.Output(display_name="solver", options=list(SOLVERS), tooltip="To solver of both."),
                io.Combo.Output(display_name="spacing", options=list(SPACINGS), tooltip="To spacing of both."),
            ],
        )

    @classmethod
    def execute(cls, preset, speed, gamma, tau, strength, steps):
        own = TransferDials(gamma, tau, gamma_end=gamma, strength=strength, steps=steps)
        d = chosen_dials(preset, speed, own)
        settings = StyleSettings(adain_rate=d.adain_rate, adain_end=d.adain_end, flat_background=d.flat_background)
        return io.NodeOutput(
            d.gamma, d.tau, d.gamma_curve, d.gamma_end, settings, d.strength, d.start, d.steps, d.solver, d.spacing
        )
