"""For tests that record residual features, which ComfyUI hands out from 0.30 on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import host_layout
import pytest


@contextlib.contextmanager
def residuals_or_skip() -> Iterator[None]:
    """Skips on another ComfyUI than the default whose residual blocks no node can read."""
    try:
        yield
    except ValueError as error:
        if "does not let a node read residual blocks" not in str(error):
            raise
        if host_layout.find().version == host_layout.DEFAULT_VERSION:
            raise
        pytest.skip(str(error))
