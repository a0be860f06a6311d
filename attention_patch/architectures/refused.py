"""Networks that the pack knows and cannot work with, each with its reason."""

from __future__ import annotations

_UNREACHED = "its attention does not go through ComfyUI's attention override, so nothing can be injected from outside"
_VIDEO = "it makes video or sound, and CellStyle works on single pictures"
_SOLID = "it makes 3-D shapes, and CellStyle works on pictures"

REASONS = {
    "ErnieImageModel": _UNREACHED,
    "PixArtMS": _UNREACHED,
    "HunYuanDiT": _UNREACHED,
    "WanModel": _VIDEO,
    "LTXVModel": _VIDEO,
    "LTXAVModel": _VIDEO,
    "AsymmDiTJoint": _VIDEO,
    "GeneralDIT": _VIDEO,
    "CogVideoXTransformer3DModel": _VIDEO,
    "ACEStepTransformer2DModel": _VIDEO,
    "AudioDiffusionTransformer": _VIDEO,
    "Hunyuan3Dv2": _SOLID,
    "HunYuanDiTPlain": _SOLID,
    "MiniTrainDIT": "it is trained on EDM's noise levels instead of flow matching's",
}
