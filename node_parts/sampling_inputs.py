"""How to sample: inputs of InjectedSampler and the contact sheet."""

from __future__ import annotations

from comfy_api.latest import io


def sampling_inputs() -> list:
    """sigmas, negative, cfg, all optional: a public order, append only."""
    return [
        io.Sigmas.Input(
            "sigmas",
            optional=True,
            tooltip="Noise levels to sample with. Leave empty to take those of the inversion.",
        ),
        io.Conditioning.Input(
            "negative", optional=True, tooltip="What to steer away from. Only used with cfg above 1."
        ),
        io.Float.Input(
            "cfg",
            default=1.0,
            min=0.0,
            max=100.0,
            step=0.1,
            round=0.01,
            optional=True,
            advanced=True,
            tooltip=(
                "Guidance: higher follows the prompt more and the content less. 1, as in the paper, is off; "
                "needs negative, and doubles the time."
            ),
        ),
    ]
