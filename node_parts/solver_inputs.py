"""How an inversion climbs, and over which levels: inputs of DDIMInvert, StyleKVCapture and CellStyleTransfer."""

from __future__ import annotations

from comfy_api.latest import io

from ..equations.ddim_inversion import SOLVERS
from ..equations.noise_levels import SPACINGS


def solver_inputs() -> list:
    """solver, spacing: a public order, append only."""
    return [
        io.Combo.Input(
            "solver",
            options=list(SOLVERS),
            default="ddim",
            optional=True,
            tooltip=(
                "How a step is inverted. ddim: the paper's. multistep: foresees each step from the two before, at no "
                "further cost; 12 steps come closer to exact than 50 of ddim. Samplers need not know which it was."
            ),
        ),
        io.Combo.Input(
            "spacing",
            options=list(SPACINGS),
            default="leading",
            optional=True,
            tooltip=(
                "Where the steps lie. leading: the paper's; with few steps it starts at less noise. linspace: from the "
                "noise of the paper's 50 steps whatever the number, so that few steps look like many. "
                "Transformers keep their own schedule with both."
            ),
        ),
    ]
