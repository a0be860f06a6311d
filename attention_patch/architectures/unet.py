"""UNets of Stable Diffusion: SD 1.x, SD 2.x and SDXL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial

import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock
from comfy.model_sampling import EPS, V_PREDICTION, ModelSamplingDiscrete

from ...common.word_lists import words_of
from ...equations.masked_start import masked_start_noise
from ...equations.noise_levels import ddim_sigmas
from ...equations.noise_path import NoisePath, variance_preserving
from ...features.feature_bank import ModelFamily
from ...features.layer_key import LayerKey, SelfAttention
from ...features.level_recorder import LevelRecorder
from ..injected_call import InjectedCall
from .architecture import Architecture, NetworkCall, PatchedCall
from .layer_names import block_range
from .unet_injection import inject_in_unet, inject_residual
from .unet_layers import find_self_attention, projections_have_bias
from .unet_recording import record_in_unet, record_residual


class UNet(Architecture):
    """A bank keeps n, the normed hidden state that to_q, to_k and to_v read; the injection changes it before them."""

    kind = "UNet"
    blocks = ("input", "middle", "output")
    layers_example = '"output.6-11", "middle", "input.4"'

    @classmethod
    def claims(cls, network) -> bool:
        return all(hasattr(network, part) for part in ("input_blocks", "middle_block", "output_blocks"))

    def not_supported_reasons(self) -> list[str]:
        name, reasons = type(self.network).__name__, []
        if not self.layers():
            reasons.append(
                f"the model is a {name} without self-attention layers; CellStyle needs SD 1.x, SD 2.x or SDXL."
            )
        if projections_have_bias(self.network):
            reasons.append(
                f"the model is a {name} whose attention projections have a bias; CellStyle needs an SD 1.x, SD 2.x or "
                "SDXL checkpoint."
            )
        if not (isinstance(self.model_sampling, ModelSamplingDiscrete) and isinstance(self.model_sampling, EPS)):
            reasons.append(
                f"the model ({type(self.model.model).__name__}) does not predict noise or v on Stable Diffusion's "
                "schedule, so DDIM cannot invert it. CellStyle works with SD 1.x, SD 2.x and SDXL checkpoints."
            )
        return reasons

    @cached_property
    def path(self) -> NoisePath:
        return variance_preserving(float(self.model_sampling.sigma_data))

    @cached_property
    def _layers(self) -> dict[LayerKey, SelfAttention]:
        return find_self_attention(self.network)

    def layers(self) -> dict[LayerKey, SelfAttention]:
        return self._layers

    def auto(self) -> tuple[LayerKey, ...]:
        """The decoder layers on the two finest token grids, as the authors' code has them for SD 1.x and 2.x."""
        decoder = tuple(layer for layer in self.layers() if layer.block == "output")
        return tuple(layer for layer in decoder if self.layers()[layer].scale <= 2) or decoder

    def select_residual_blocks(self, text: str) -> tuple[tuple[str, int], ...]:
        """Decoder blocks named by a person, "output.4" or "output.3-5", whether they have attention or not.

        Raises: ValueError: quotes the word that is wrong and says which blocks there are.
        """
        last_block = len(self.network.output_blocks) - 1
        chosen = set()
        for word in words_of(text.lower()):
            block, first, last = block_range(word) or (None, None, None)
            if block != "output" or first is None or last > last_block:
                raise ValueError(f'residual_features: "{word}" is not one of the decoder blocks output.0-{last_block}.')
            chosen.update(("output", number) for number in range(first, last + 1))
        return tuple(sorted(chosen))

    def fingerprint(self) -> ModelFamily:
        """Class, prediction (eps or v), width of the text, layer widths.

        SD 1.x and 2.x share class and layer widths; prediction and text width tell them apart.
        """
        prediction = "v" if isinstance(self.model_sampling, V_PREDICTION) else "eps"
        context = self.model.model.model_config.unet_config.get("context_dim")
        return ModelFamily.of(f"{type(self.model.model).__name__}/{prediction}/{context}", self.layers())

    def sampling_sigmas(self, steps: int, spacing: str) -> torch.Tensor:
        return ddim_sigmas(self.model_sampling.sigmas, steps, spacing)

    def first_sigma(self, solver: str) -> float:
        return float(self.model_sampling.sigmas[0]) if solver == "ddim" else 0.0

    def masked_start(self, x: torch.Tensor, clean: torch.Tensor, sigma: float) -> torch.Tensor:
        return masked_start_noise(x, clean, sigma, self.path, float(self.model_sampling.sigma_max))

    def prepare_for_recording(self, clone, residual_blocks: tuple[tuple[str, int], ...]) -> None:
        if residual_blocks:
            clone.set_model_forward_timestep_embed_patch((ResBlock, record_residual))

    def prepare_for_injection(self, clone, injection) -> None:
        if injection.settings.feature_strength:
            clone.set_model_forward_timestep_embed_patch((ResBlock, partial(inject_residual, injection)))

    def recording(self, options: Mapping, network: NetworkCall, recorder: LevelRecorder, rows: slice) -> dict:
        return record_in_unet(options)

    def injecting(self, options: Mapping, network: NetworkCall, call: InjectedCall) -> PatchedCall:
        limited = {layer for layer, spec in self.layers().items() if spec.limited}
        return PatchedCall(inject_in_unet(options, call, limited & call.layers) if call.layers else dict(options))
