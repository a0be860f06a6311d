"""The solver and the spacing of the noise levels: inputs of DDIMInvert, StyleKVCapture and CellStyleTransfer."""

from __future__ import annotations

from comfy_api.latest import io

from ..equations.ddim_inversion import SOLVERS
from ..equations.noise_levels import SPACINGS


def solver_inputs() -> list:
    """solver, spacing: a public order, append only. A new node has the fast pair; a prompt that does not name them gets
    the paper's, as before they were there."""
    return [
        io.Combo.Input(
            "solver",
            options=list(SOLVERS),
            default="multistep",
            optional=True,
            tooltip=(
                "How a step is inverted. multistep: foresees each step from the two before, at no further cost; 12 "
                "steps come closer to exact than 50 of ddim, which is the paper's. Samplers need not know which it was."
            ),
        ),
        io.Combo.Input(
            "spacing",
            options=list(SPACINGS),
            default="linspace",
            optional=True,
            tooltip=(
                "Where the steps lie. linspace: from the noise of the paper's 50 steps whatever the number, so that "
                "few steps look like many. leading: the paper's; with few steps it starts at less noise. "
                "Transformers keep their own schedule with both."
            ),
        ),
    ]
