"""Pictures to measure with: the pack's own, and a photograph of a tissue section that scikit-image carries."""

from __future__ import annotations

from bench_models import ROOT

SIDE = 256


def picture(name: str):
    """IMAGE (1, SIDE, SIDE, 3): "photograph", or a name in example_images with or without its kind."""
    import numpy as np
    import torch
    from PIL import Image

    if name == "photograph":
        from skimage.data import immunohistochemistry

        whole = Image.fromarray(immunohistochemistry())
    else:
        (path,) = (ROOT / "example_images").glob(f"*_{name}.png")
        whole = Image.open(path).convert("RGB")
    side = min(whole.size)
    square = whole.crop((0, 0, side, side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(square, np.float32) / 255)[None]
