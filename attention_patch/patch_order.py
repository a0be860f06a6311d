"""One network call's `transformer_options` with patches put around every other pack's.

What is injected and recorded is what the UNet hands to its attention: before HyperTile or Token Merging rearrange the
tokens, and before a patch changes keys and values, which then are the style's. So the order in which nodes were put on
the model does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from comfy.patcher_extension import WrappersMP
from comfy_api.torch_helpers.torch_compile import COMPILE_KEY

from ..features.layer_key import LayerKey

Patch = Callable[..., object]

# replacers that do not attend but read the picture's own self-attention, by the node that makes them
_READERS = ("PerturbedAttentionGuidance", "SelfAttentionGuidance")


def with_patches(
    transformer_options: Mapping, first: Patch | None = None, last: Patch | None = None, output: Patch | None = None
) -> dict:
    """A copy of the options of one call.

    Args:
        first: `attn1_patch` before all others. last: `attn1_patch` after all others.
        output: `attn1_output_patch` after all others.
    """
    patches = dict(transformer_options.get("patches", {}))
    inputs, outputs = patches.get("attn1_patch", []), patches.get("attn1_output_patch", [])
    patches["attn1_patch"] = [*([first] if first else []), *inputs, *([last] if last else [])]
    if output is not None:
        patches["attn1_output_patch"] = [*outputs, output]
    return {**transformer_options, "patches": patches}


def check_replacers(transformer_options: Mapping, layers: Iterable[LayerKey]) -> None:
    """Raises ValueError where a guidance node reads the self-attention of a layer that the style is injected in."""
    replacers = transformer_options.get("patches_replace", {}).get("attn1", {})
    for layer in layers if replacers else ():
        replacer = replacers.get(tuple(layer), replacers.get((layer.block, layer.number)))
        name = getattr(replacer, "__qualname__", "").partition(".")[0]
        if name in _READERS:
            raise ValueError(
                f"{name} reads the picture's own self-attention in {layer.block}.{layer.number}, where the style is to "
                f"be injected. Leave {layer.block}.{layer.number} out of layers, or remove {name}."
            )


def is_compiled(model) -> bool:
    """Whether TorchCompileModel, or a node that uses the same hook, is on a MODEL."""
    return COMPILE_KEY in model.wrappers.get(WrappersMP.APPLY_MODEL, {})


def run_uncompiled(model) -> None:
    """Takes TorchCompileModel off a MODEL clone.

    Its network is compiled with the patches of its first call and does not look at them again, so that an injection
    or a recording would silently not happen.
    """
    model.remove_wrappers_with_key(WrappersMP.APPLY_MODEL, COMPILE_KEY)


def uncompiled(transformer_options: Mapping) -> dict:
    """A copy of the options of one call, without TorchCompileModel where it was put on after our node."""
    wrappers = transformer_options.get("wrappers", {})
    kept = {key: value for key, value in wrappers.get(WrappersMP.APPLY_MODEL, {}).items() if key != COMPILE_KEY}
    return {**transformer_options, "wrappers": {**wrappers, WrappersMP.APPLY_MODEL: kept}}
