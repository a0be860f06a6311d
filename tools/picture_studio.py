"""The demo's graph without a server, its inversions kept; it makes the pictures of the README and the help."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "bench"))

PASS = {"steps": 11, "solver": "multistep", "spacing": "linspace"}
START = {"mode": "noise-preserving"}
# adain_rate, held to the last step, and flat_background of the presets balanced and painterly
HELD_COLOURS, FLAT = 0.4, 1.0


class Studio:
    """The pack's own nodes on the embedded demo model; pictures are IMAGEs (1, H, W, 3)."""

    def __init__(self, weights: Path | None = None):
        import run_nodes
        from cellstyle.demo_model.load import load_demo_model

        self.nodes = run_nodes
        self.model, self.conditioning, self.vae = load_demo_model(*([weights] if weights else []))
        self.pictures: dict = {}
        self._kept: dict[tuple, tuple] = {}

    def picture(self, name: str):
        """IMAGE (1, 256, 256, 3) of an example, or what was put into `pictures` under the name."""
        from example_pictures import picture

        return self.pictures[name] if name in self.pictures else picture(name)

    def _passed(self, work, name: str, **finer) -> tuple:
        key = (work.__name__, name, *finer.items())
        if key not in self._kept:
            latent = {"samples": self.vae.encode(self.picture(name))}
            self._kept[key] = work(self.model, self.conditioning, latent, **{**PASS, **finer})
        return self._kept[key]

    def content(self, name: str, **finer) -> tuple:
        """(inverted LATENT, CONTENT_QUERY, SIGMAS)"""
        return self._passed(self.nodes.invert, name, **finer)

    def style(self, name: str) -> tuple:
        """(STYLE_KV, inverted LATENT)"""
        return self._passed(self.nodes.capture, name)

    def decode(self, samples):
        """IMAGE"""
        return self.vae.decode(samples)

    def transfer(self, content, style, adain=START, style_kv=None, held=HELD_COLOURS, flat=FLAT, inject=True, **dials):
        """IMAGE of two pictures by name. adain: inputs of Latent AdaIN; held: adain_rate to the last step; flat:
        flat_background; inject=False: the start alone."""
        from cellstyle.engine.dials import StyleSettings

        inverted, query, _ = self.content(content)
        own_kv, noise = self.style(style)
        start = self.nodes.adain(inverted, noise, **adain)
        style_kv = (own_kv if style_kv is None else style_kv) if inject else None
        if "gamma" in dials:
            dials.setdefault("gamma_end", dials["gamma"])
        settings = StyleSettings(adain_rate=held, adain_end=1.0, flat_background=flat)
        return self.decode(
            self.nodes.sample(self.model, self.conditioning, start, style_kv, query, settings=settings, **dials)
        )


def single_cell(side: int = 256):
    """IMAGE (1, side, side, 3) of scikit-image's photograph of one cell in an empty field."""
    import numpy as np
    import torch
    from skimage import data
    from skimage.transform import resize

    cell = resize(data.cell()[60:610], (side, side), anti_aliasing=True)
    cell = (cell - cell.min()) / np.ptp(cell)
    return torch.from_numpy(cell.astype(np.float32))[None, ..., None].repeat(1, 1, 1, 3)
