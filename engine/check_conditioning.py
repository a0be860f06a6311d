"""What a CONDITIONING must have for a run through the network, said before the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

# by name: a class that ComfyUI renames must not keep the pack from loading
_NEED_POOLED = {"SDXL", "SDXLRefiner", "SD3", "HiDream"}
# what model configurations call the width of a text token
_WIDTHS = ("context_dim", "context_in_dim", "cap_feat_dim", "joint_attention_dim")


def check_conditioning(name: str, model, conditioning, sigmas: torch.Tensor, what: str = "conditioning") -> None:
    """Refuses in words what would end in an error inside the network, or in steps without a prediction.

    Args:
        name: the node's, for the message. conditioning: what ComfyUI calls CONDITIONING, [[(B, tokens, width), extra]].
        sigmas: (n + 1,) the levels of the run; each above 0 has a network call. what: the input's name.
    Raises:
        ValueError: empty; no text tokens; tokens of another width than the model's; no pooled output where the
            model needs one; timestep ranges that leave out a level.
    """
    if not isinstance(conditioning, list | tuple) or not conditioning:
        raise ValueError(
            f"{what} of {name} is an empty list, so there is nothing to show the network. Connect CLIP Text Encode of "
            "this model's checkpoint, with an empty text for the paper's setting."
        )
    width = text_width(model.model)
    for tokens, extra in conditioning:
        if not torch.is_tensor(tokens) or tokens.ndim != 3:
            raise ValueError(
                f"{what} of {name} holds no text tokens. Connect CLIP Text Encode of this model's checkpoint."
            )
        if isinstance(width, int) and tokens.shape[-1] != width:
            raise ValueError(
                f"{what} of {name} has text tokens of width {tokens.shape[-1]}, and this model reads {width}: it comes "
                "from another model's text encoder. Connect CLIP Text Encode of this model's checkpoint."
            )
        pooled = extra.get("pooled_output") is not None or "unclip_conditioning" in extra
        if _NEED_POOLED & {kind.__name__ for kind in type(model.model).__mro__} and not pooled:
            raise ValueError(
                f"{what} of {name} has no pooled output, which {type(model.model).__name__} needs beside the tokens: "
                "it comes from another model's text encoder, or a node dropped it. Connect CLIP Text Encode of this "
                "model's checkpoint."
            )
    missing = levels_left_out(
        [extra for _, extra in conditioning],
        [float(sigma) for sigma in sigmas if float(sigma) > 0],
        model.get_model_object("model_sampling").percent_to_sigma,
    )
    if missing:
        between = f"sigma {missing[0]:.3g}" + (f" to {missing[-1]:.3g}" if len(missing) > 1 else "")
        raise ValueError(
            f"{what} of {name} has a timestep range (ConditioningSetTimestepRange) that leaves out {len(missing)} of "
            f"the steps ({between}), and nothing else covers them. Connect the conditioning from before that node, or "
            "combine ranges that leave no gap."
        )


def text_width(model) -> int | None:
    """Width of the text tokens that a model (`MODEL.model`) reads; None where its configuration does not say."""
    config = model.model_config.unet_config
    return next((config[key] for key in _WIDTHS if config.get(key)), None)


def levels_left_out(
    extras: Sequence[dict], levels: Sequence[float], percent_to_sigma: Callable[[float], float]
) -> list[float]:
    """Those levels that no conditioning's timestep range contains, in their order.

    Args:
        extras: the dicts of a CONDITIONING; start_percent and end_percent 0 .. 1 of the sampling, both optional.
        levels: sigmas above 0.
    """
    ranges = [
        (
            percent_to_sigma(extra["start_percent"]) if "start_percent" in extra else float("inf"),
            percent_to_sigma(extra["end_percent"]) if "end_percent" in extra else 0.0,
        )
        for extra in extras
    ]
    return [level for level in levels if not any(end <= level <= start for start, end in ranges)]
