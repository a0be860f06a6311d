"""Random crops of the pictures that scikit-image carries in its package: (H, W, 3) float32 in 0..1."""

import numpy as np
from skimage import color, data, transform

NAMES = ("immunohistochemistry", "cell", "retina", "brick", "grass", "gravel")


def _load(name):
    """The picture as RGB float32, or None where this installation would have to download it."""
    try:
        picture = getattr(data, name)()
    except Exception:
        return None
    picture = picture.astype(np.float32) / 255
    return picture if picture.ndim == 3 else color.gray2rgb(picture)


def _crops(picture):
    def crop(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        scale = min(rng.uniform(0.67, 2.0), picture.shape[0] / height, picture.shape[1] / width)
        h, w = int(height * scale), int(width * scale)
        y, x = rng.integers(picture.shape[0] - h + 1), rng.integers(picture.shape[1] - w + 1)
        part = picture[y : y + h, x : x + w]
        part = part[:, ::-1] if rng.random() < 0.5 else part
        part = transform.resize(part, (height, width, 3), anti_aliasing=scale > 1)
        return np.clip(part * rng.uniform(0.92, 1.08, 3) + rng.uniform(-0.03, 0.03), 0, 1).astype(np.float32)

    return crop


BUNDLED = {name: _crops(picture) for name in NAMES if (picture := _load(name)) is not None}
