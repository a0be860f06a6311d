"""Colour spaces of TIFF 6.0 to red, green and blue, in the samples' own type. Blocks of rows keep the memory small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BLOCK = 1 << 20
LUMA = (0.299, 0.587, 0.114)
# CIE XYZ of white D50 to linear sRGB, adapted to D65 by Bradford's cones (Lindbloom)
FROM_D50 = np.array([[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540],
                     [0.0719453, -0.2289914, 1.4052427]])  # fmt: skip
D50 = np.array([0.96422, 1.0, 0.82521])


def by_rows(convert: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray) -> np.ndarray:
    """convert((n, samples) float64 in the file's numbers) -> (n, m) floats, over (..., samples); rounded and clipped.

    Returns: (..., m) in the type of `pixels`.
    """
    flat = pixels.reshape(-1, pixels.shape[-1])
    parts = []
    for start in range(0, len(flat), BLOCK):
        part = convert(flat[start : start + BLOCK].astype(np.float64))
        if pixels.dtype.kind in "ui":
            part = np.clip(np.floor(part + 0.5), 0, np.iinfo(pixels.dtype).max)
        parts.append(part.astype(pixels.dtype))
    return np.concatenate(parts).reshape(*pixels.shape[:-1], -1)


def from_cmyk(pixels: np.ndarray, top: float) -> np.ndarray:
    """Cyan, magenta, yellow and black, 0 to `top` of ink on white paper (TIFF 6.0, section 16), without a profile."""
    return by_rows(lambda inks: (top - inks[:, :3]) * (top - inks[:, 3:]) / top, pixels)


def from_ycbcr(pixels: np.ndarray, luma=LUMA, reference=None) -> np.ndarray:
    """Luma and two differences of colour (TIFF 6.0, section 21).

    Args:
        luma: YCbCrCoefficients, the shares of red, green and blue.
        reference: ReferenceBlackWhite, six numbers; None for a full range.
    """
    top = float(np.iinfo(pixels.dtype).max)
    middle = (top + 1) / 2
    low_y, high_y, low_b, high_b, low_r, high_r = reference or (0, top, middle, top, middle, top)
    red, green, blue = luma

    def convert(values):
        y = (values[:, 0] - low_y) * top / (high_y - low_y)
        b = (values[:, 1] - low_b) * (top - middle) / (high_b - low_b)
        r = (values[:, 2] - low_r) * (top - middle) / (high_r - low_r)
        r, b = y + r * (2 - 2 * red), y + b * (2 - 2 * blue)
        return np.stack([r, (y - blue * b - red * r) / green, b], -1)

    return by_rows(convert, pixels)


def from_lab(pixels: np.ndarray, signed: bool) -> np.ndarray:
    """CIE L*a*b* of white D50, as ICC profiles have it, to sRGB.

    Args:
        signed: a* and b* are two's complements (CIELAB, TIFF 6.0, section 23); else they are offset by half the range
            (ICCLAB, TIFF Technical Note 4).
    """
    bits = pixels.dtype.itemsize * 8
    half, unit = 2.0 ** (bits - 1), 2.0 ** (bits - 8)
    top = 2.0**bits - 1
    white = top if bits == 8 or signed else 65280.0

    def convert(values):
        light, ab = values[:, 0] * 100 / white, values[:, 1:]
        ab = (np.where(ab >= half, ab - 2 * half, ab) if signed else ab - half) / unit
        y = (light + 16) / 116
        f = np.stack([y + ab[:, 0] / 500, y, y - ab[:, 1] / 200], -1)
        xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50
        linear = np.clip(xyz @ FROM_D50.T, 0, 1)
        return top * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)

    return by_rows(convert, pixels)


def unassociated(pixels: np.ndarray, top: float) -> np.ndarray:
    """Undoes the multiplication of colour or gray by the opacity; 0 where the opacity is 0.

    Args:
        pixels: (..., samples), the opacity last. top: the opacity of an opaque pixel.
    Returns: the same shape and type, rounded down, as Pillow and libvips do.
    """

    def convert(values):
        colours, opacity = values[:, :-1], values[:, -1:]
        clear = np.divide(colours * top, opacity, out=np.zeros_like(colours), where=opacity > 0)
        clear = np.minimum(clear if pixels.dtype.kind == "f" else np.floor(clear), top)
        return np.concatenate([clear, opacity], 1)

    return by_rows(convert, pixels)
