"""The demo model through the pack's own nodes, with no server: what the evaluation runs on."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from train_paths import ROOT, WEIGHTS, use_comfyui


def use_pack() -> None:
    """The repository's root under the name `cellstyle`, as ComfyUI would load it."""
    use_comfyui()
    if "cellstyle" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "cellstyle", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["cellstyle"] = module
    spec.loader.exec_module(module)
    sys.path.append(str(ROOT / "tests"))


FINER = ("adain_rate", "adain_end", "flat_background")
"""What a preset sets of Cell Style Settings."""


@dataclass(frozen=True)
class Recipe:
    """How a transfer is made: the inversions' inputs, LatentAdaIN's mode, the finer dials, and the
    sampler's."""

    inversion: dict
    start: str = "global"
    finer: dict = field(default_factory=dict)
    dials: dict = field(default_factory=lambda: {"gamma": 0.75, "gamma_end": 0.75, "tau": 1.5})


PAPER = Recipe({"steps": 50})


def preset(look: str) -> Recipe:
    """A look of the one-node version, with its fast inversion."""
    use_pack()
    from cellstyle.node_parts.presets import TransferDials, chosen_dials

    d = chosen_dials(look, "fast", TransferDials())
    dials = {name: getattr(d, name) for name in ("gamma", "gamma_end", "gamma_curve", "tau")}
    inversion = {name: getattr(d, name) for name in ("steps", "solver", "spacing")}
    finer = {name: getattr(d, name) for name in FINER}
    return Recipe(inversion, d.start, finer, dials)


@dataclass
class Bench:
    """MODEL, CONDITIONING and VAE, and what was inverted already; pictures are (H, W, 3) float32 in 0..1."""

    recipe: Recipe = field(default_factory=lambda: preset("balanced"))
    weights: Path = WEIGHTS
    inverted: dict = field(default_factory=dict)
    made: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        use_pack()
        from cellstyle.demo_model.load import load_demo_model

        self.model, self.conditioning, self.vae = load_demo_model(self.weights)

    def encode(self, picture: np.ndarray) -> dict:
        return {"samples": self.vae.encode(torch.from_numpy(np.ascontiguousarray(picture)).float()[None])}

    def decode(self, samples: torch.Tensor) -> np.ndarray:
        return self.vae.decode(samples)[0].clamp(0, 1).numpy()

    def content(self, name: str, picture: np.ndarray):
        """(inverted LATENT, CONTENT_QUERY), kept by name."""
        import run_nodes

        if ("content", name) not in self.inverted:
            latent = self.encode(picture)
            result = run_nodes.invert(self.model, self.conditioning, latent, **self.recipe.inversion)
            self.inverted["content", name] = result[:2]
        return self.inverted["content", name]

    def style(self, name: str, picture: np.ndarray):
        """(STYLE_KV, inverted LATENT), kept by name."""
        import run_nodes

        if ("style", name) not in self.inverted:
            latent = self.encode(picture)
            result = run_nodes.capture(self.model, self.conditioning, latent, **self.recipe.inversion)
            self.inverted["style", name] = result
        return self.inverted["style", name]

    def transfer(
        self, content: tuple[str, np.ndarray], style: tuple[str, np.ndarray], inject=True, start=None, **dials
    ) -> np.ndarray:
        """(H, W, 3) by the recipe; inject=False leaves only the start, `start` takes another one. Dials: those of the
        sampler, and the finer ones."""
        start = start or self.recipe.start
        dialled = {**self.recipe.dials, **self.recipe.finer, **dials}
        key = (content[0], style[0], inject, start, *sorted(dialled.items()))
        if key not in self.made:
            self.made[key] = self._transfer(content, style, inject, start, dialled)
        return self.made[key]

    def _transfer(self, content, style, inject: bool, mode: str, dials: dict) -> np.ndarray:
        import run_nodes
        from cellstyle.engine.dials import StyleSettings
        from cellstyle.nodes.latent_adain import BEFORE_INVERSION

        shared = self.model, self.conditioning
        features, style_start = self.style(*style)
        if mode == BEFORE_INVERSION:
            start = run_nodes.adain(self.encode(content[1]), self.encode(style[1]), mode=mode)
            start, query, _ = run_nodes.invert(*shared, start, **self.recipe.inversion)
        else:
            start, query = self.content(*content)
            start = run_nodes.adain(start, style_start, mode=mode)
        settings = StyleSettings(**{name: dials.pop(name) for name in FINER if name in dials})
        features = features if inject else None
        drawn = run_nodes.sample(*shared, start, features, query, settings=settings, **dials)
        return self.decode(drawn)

    def round_trip(self, picture: np.ndarray, **how) -> float:
        """PSNR in dB of an inversion then sampling, against the autoencoder's own reconstruction. how: the inputs of
        DDIM Invert; the paper's solver and spacing where they are not named."""
        import run_nodes

        latent = self.encode(picture)
        start, query, _ = run_nodes.invert(self.model, self.conditioning, latent, **how)
        back = self.decode(run_nodes.sample(self.model, self.conditioning, start, content_query=query))
        return psnr(back, self.decode(latent["samples"]))


def psnr(x: np.ndarray, y: np.ndarray) -> float:
    return float(-10 * np.log10(max(1e-12, np.square(x - y).mean())))


def contents(size: int = 256) -> dict[str, np.ndarray]:
    """Three fixed contents: the real tissue section, the real cell, a drawn TEM picture."""
    from contents import CONTENTS
    from skimage import data
    from skimage.transform import resize

    tissue = resize(data.immunohistochemistry()[:384, :384], (size, size), anti_aliasing=True)
    cell = resize(data.cell()[60:610, :], (size, size), anti_aliasing=True)
    cell = np.repeat(((cell - cell.min()) / (cell.max() - cell.min()))[..., None], 3, axis=2)
    name = next((n for n in CONTENTS if "tem" in n), next(iter(CONTENTS)))
    drawn = CONTENTS[name](np.random.default_rng(7_001), size, size)
    return {k: np.asarray(v, np.float32) for k, v in {"tissue": tissue, "cell": cell, name: drawn}.items()}


def styles(size: int = 256) -> dict[str, np.ndarray]:
    """Four fixed styles of the generator, from seeds that training never used."""
    from styles import STYLES

    names = ("porcelain", "ink_wash", "impression", "mosaic")
    return {n: STYLES[n](np.random.default_rng(7_100), size, size).astype(np.float32) for n in names}
