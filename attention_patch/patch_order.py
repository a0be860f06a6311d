"""One network call's `transformer_options` with patches put around every other pack's.

What is injected and recorded is what the UNet hands to its attention: before HyperTile or Token Merging rearrange the
tokens, and before a patch changes keys and values, which then are the style's. So the order in which nodes were put on
the model does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from comfy.patcher_extension import WrappersMP

from ..features.layer_key import LayerKey

Patch = Callable[..., object]


def compile_key() -> str:
    """The key under which TorchCompileModel puts its wrapper: looked up when needed, since it may move."""
    try:
        from comfy_api.torch_helpers.torch_compile import COMPILE_KEY
    except ImportError:
        return "torch.compile"
    return COMPILE_KEY


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


def with_checked_replacers(transformer_options: Mapping, layers: Iterable[LayerKey]) -> dict:
    """A copy of the options of one call in which the attention replacers of these layers are watched.

    Raises ValueError, at once or when such a replacer is called, where it needs the picture's own self-attention in a
    layer that the style is injected in: it reads it, or hands its values on as they are (perturbed attention, whichever
    pack has it), which are the style's there.
    """
    options = dict(transformer_options)
    replacers = options.get("patches_replace", {}).get("attn1", {})
    watched = {}
    for layer in layers if replacers else ():
        for key in (tuple(layer), (layer.block, layer.number)):
            if key in replacers:
                name = getattr(replacers[key], "__qualname__", type(replacers[key]).__name__).partition(".")[0]
                if name in _READERS:
                    raise ValueError(_own_attention(name, layer))
                watched[key] = _watched(replacers[key], name, layer)
                break
    if watched:
        options["patches_replace"] = {**options["patches_replace"], "attn1": {**replacers, **watched}}
    return options


def _watched(replacer: Patch, name: str, layer: LayerKey) -> Patch:
    def replace(q, k, v, *args, **kwargs):
        out = replacer(q, k, v, *args, **kwargs)
        if out is v or (out.data_ptr() == v.data_ptr() and out.shape == v.shape):
            raise ValueError(_own_attention(name, layer))
        return out

    return replace


def _own_attention(name: str, layer: LayerKey) -> str:
    where = f"{layer.block}.{layer.number}"
    return (
        f"{name} works on the picture's own self-attention in {where}, where the style is to be injected. Leave "
        f"{where} out of layers, or remove {name}."
    )


def is_compiled(model) -> bool:
    """Whether TorchCompileModel, or a node that uses the same hook, is on a MODEL."""
    return compile_key() in model.wrappers.get(WrappersMP.APPLY_MODEL, {})


def run_uncompiled(model) -> None:
    """Takes TorchCompileModel off a MODEL clone.

    Its network is compiled with the patches of its first call and does not look at them again, so that an injection
    or a recording would silently not happen.
    """
    model.remove_wrappers_with_key(WrappersMP.APPLY_MODEL, compile_key())


def uncompiled(transformer_options: Mapping) -> dict:
    """A copy of the options of one call, without TorchCompileModel where it was put on after our node."""
    wrappers, compiled = transformer_options.get("wrappers", {}), compile_key()
    kept = {key: value for key, value in wrappers.get(WrappersMP.APPLY_MODEL, {}).items() if key != compiled}
    return {**transformer_options, "wrappers": {**wrappers, WrappersMP.APPLY_MODEL: kept}}
