"""From the file's numbers to 0..1: the only step in which the dynamic range is cut."""

from __future__ import annotations

import numpy as np

from .errors import MicrographError

EXACT = 16 * 1024**2
"""Percentiles of more samples than this are taken from an even subset."""


def percentile_limits(samples: np.ndarray, low: float, high: float) -> tuple[float, float] | None:
    """The values at two percentiles (0..100) of the finite samples, of any shape; None where none is finite.

    Raises: MicrographError for low >= high.
    """
    if not low < high:
        raise MicrographError(f"low ({low:g} %) must be below high ({high:g} %). Try 0.1 and 99.9.")
    flat = samples.reshape(-1)
    if flat.size > EXACT:
        flat = flat[:: -(-flat.size // EXACT)]
    if flat.dtype.kind == "f":
        flat = flat[np.isfinite(flat)]
        if flat.size == 0:
            return None
    bottom, top = np.percentile(flat, (low, high))
    return float(bottom), float(top)


def type_limits(dtype: np.dtype, bits: int | None) -> tuple[float, float]:
    """The range that a sample type can hold: 0..2^bits - 1, a signed type's own limits, 0..1 for real numbers."""
    if dtype.kind == "f":
        return 0.0, 1.0
    if dtype.kind == "u":
        return 0.0, float(2 ** (bits or dtype.itemsize * 8) - 1)
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)


def stretch(samples: np.ndarray, low: float, high: float) -> np.ndarray:
    """low to 0 and high to 1, linearly, clipped; what is not finite becomes 0.

    Without a range (low = high) everything above it is 1 and the rest 0.

    Returns: float32 of the same shape.
    """
    values = samples.astype(np.float64 if samples.dtype.itemsize > 2 else np.float32)
    if not np.isfinite(high - low):  # the range itself overflows
        values, low, high = values / 4, low / 4, high / 4
    finite = np.isfinite(values)
    with np.errstate(over="ignore", invalid="ignore"):
        if high > low:
            values = np.clip((values - values.dtype.type(low)) / values.dtype.type(high - low), 0, 1)
        else:
            values = values > low
        return np.where(finite, values, 0).astype(np.float32)
