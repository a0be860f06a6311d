"""Marks around the blocks of networks that do not say which one runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .token_architecture import TokenArchitecture


def with_marks(options: Mapping, architecture: TokenArchitecture) -> dict:
    """A copy of one call's `transformer_options` in which every block says which one it is.

    A `patches_replace["dit"]` around each block, which adds `block_type` and `block_index` to its options and changes
    nothing else; other packs' replacers stay inside.
    """
    replaced = options.get("patches_replace", {})
    blocks = dict(replaced.get("dit", {}))
    for stage, attribute in architecture.stages.items():
        kind = "single_block" if stage == "single" else "double_block"
        for number in range(len(getattr(architecture.network, attribute))):
            blocks[kind, number] = _mark(stage, number, blocks.get((kind, number)))
    return {**options, "patches_replace": {**replaced, "dit": blocks}}


def _mark(stage: str, number: int, inner):
    def marked(args, extra):
        options = {**args["transformer_options"], "block_type": stage, "block_index": number}
        args = {**args, "transformer_options": options}
        return extra["original_block"](args) if inner is None else inner(args, extra)

    return marked
