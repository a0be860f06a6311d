"""How an inversion is run for the rows about quality, and how near two pictures are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """How an inversion is run; the sampling takes `steps` calls after each."""

    solver: str
    steps: int
    refinement: int = 0
    spacing: str = "leading"

    @property
    def calls(self) -> int:
        """Network calls of one inversion."""
        return self.steps * (self.refinement + 1)

    def __str__(self) -> str:
        more = f", refinement {self.refinement}" if self.refinement else ""
        return f"{self.solver}, {self.steps} steps{more}" + (", linspace" if self.spacing != "leading" else "")

    @property
    def inputs(self) -> dict:
        """As the nodes take it."""
        return {
            "solver": self.solver,
            "steps": self.steps,
            "refinement": self.refinement,
            "spacing": self.spacing,
        }


PAPER, FAST = Setting("ddim", 50), Setting("multistep", 11, spacing="linspace")


def psnr(x, y) -> float:
    """In dB, for values in 0..1."""
    return -10 * float((x.clamp(0, 1) - y.clamp(0, 1)).square().mean().clamp_min(1e-12).log10())
