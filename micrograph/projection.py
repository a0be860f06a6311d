"""Planes into one, without holding the stack."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

PROJECTIONS = ("max", "mean", "min")


def project(planes: Iterable[np.ndarray], mode: str) -> np.ndarray | None:
    """The maximum, mean or minimum over planes of one shape; values that are not finite count as missing.

    Returns: (height, width): max and min in the planes' type, mean in float64 (of a single plane: the plane itself);
    None of no planes.
    """
    planes = iter(planes)
    result = first = next(planes, None)
    if first is None:
        return None
    if mode in ("max", "min"):
        fold = (np.fmax if mode == "max" else np.fmin) if first.dtype.kind == "f" else getattr(np, f"{mode}imum")
        for plane in planes:
            result = fold(result, plane)
        return result
    total = count = None
    for plane in planes:
        if total is None:
            finite = np.isfinite(first)
            total, count = np.where(finite, first, 0).astype(np.float64), finite.astype(np.int64)
        finite = np.isfinite(plane)
        total += np.where(finite, plane, 0)
        count += finite
    if total is None:
        return first
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
