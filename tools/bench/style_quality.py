"""What a transfer takes of the style and keeps of the content: AdaIN alone, the paper's calls, and the fast ways."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache

from bench_models import ROOT
from bench_tables import table
from example_pictures import picture
from inversion_setting import FAST, PAPER, Setting
from transfer_quality import PAIRS

sys.path.append(str(ROOT / "tools" / "demo_model"))


@dataclass(frozen=True)
class Way:
    """A transfer: its inversions, LatentAdaIN's mode, the share of AdaIN at every step and of an even background, with
    injection or without."""

    name: str
    setting: Setting
    start: str = "global"
    adain_rate: float = 0.0
    inject: bool = True
    flat_background: float = 0.0

    @property
    def calls(self) -> int:
        return 2 * self.setting.calls + self.setting.steps


WAYS = (
    Way("AdaIN only, the paper's", PAPER, inject=False),
    Way("injection, the paper's", PAPER),
    Way("injection, fast inversion", FAST),
    Way("noise-preserving start only", FAST, "noise-preserving", inject=False),
    Way("injection, noise-preserving start, AdaIN rate 0.4", FAST, "noise-preserving", 0.4),
    Way("the same, flat_background 1", FAST, "noise-preserving", 0.4, flat_background=1.0),
)


def rows() -> list[dict]:
    """Prints the table of means over PAIRS; returns [{what, way, calls, figures: {name: mean}}]."""
    from cellstyle.demo_model.load import load_demo_model

    parts = load_demo_model()
    found = []
    for way in WAYS:
        each = [_measure(_transfer(parts, *pair, way), *pair) for pair in PAIRS]
        means = {name: sum(one[name] for one in each) / len(each) for name in each[0]}
        found.append({"what": "style", "way": way.name, "calls": way.calls, "figures": means})
    heads = list(found[0]["figures"])
    lines = [[f["way"], f["calls"], *(f"{f['figures'][name]:.3f}" for name in heads)] for f in found]
    table(
        f"f. Whole transfers by what they took and kept, means of {len(PAIRS)} pairs", ["way", "calls", *heads], lines
    )
    if "VGG to style" not in heads:
        import perceptual

        print(f"Without perceptual distances: there is no {perceptual.WEIGHTS} (its file says how to get it).\n")
    return found


def _transfer(parts: tuple, content: str, style: str, way: Way):
    """(H, W, 3) in 0..1 with the paper's dials."""
    import run_nodes
    from cellstyle.engine.dials import StyleSettings

    model, conditioning, vae = parts
    pictures = ({"samples": vae.encode(picture(name))} for name in (content, style))
    inverted, query, _ = run_nodes.invert(model, conditioning, next(pictures), **way.setting.inputs)
    style_kv, noise = run_nodes.capture(model, conditioning, next(pictures), **way.setting.inputs)
    start = run_nodes.adain(inverted, noise, mode=way.start)
    settings = StyleSettings(adain_rate=way.adain_rate, adain_end=1.0, flat_background=way.flat_background)
    kept = style_kv if way.inject else None
    return vae.decode(run_nodes.sample(model, conditioning, start, kept, query, settings=settings))[0].clamp(0, 1)


def _measure(made, content: str, style: str) -> dict[str, float]:
    """Distances to the style (texture, colour) and to the content (LPIPS); smaller is nearer."""
    from cellstyle.fidelity.style import colour_distance, texture_distance

    made, content, style = made.numpy(), picture(content)[0].numpy(), picture(style)[0].numpy()
    figures = {"LBP to style": texture_distance(made, style), "colour to style": colour_distance(made, style)}
    judge = _perceptual()
    if judge is not None:
        figures["VGG to style"] = judge.style_distance(made, style)
        figures["LPIPS to content"] = judge.lpips(made, content)
    return figures


@cache
def _perceptual():
    """The judge of tools/demo_model/perceptual.py; None where its weights were not fetched."""
    import perceptual

    return perceptual.Perceptual() if perceptual.WEIGHTS.is_file() else None
