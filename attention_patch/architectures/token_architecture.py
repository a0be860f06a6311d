"""Image transformers: what they have in common behind the interface, each family being a small class of its own."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property

import comfy.samplers
import torch
from comfy.model_sampling import CONST

from ...equations.flow_levels import flow_sigmas
from ...equations.noise_levels import SPACINGS
from ...equations.noise_path import FLOW, NoisePath
from ...equations.rotary import Rotary
from ...features.feature_bank import FeatureBank, ModelFamily
from ...features.layer_key import LayerKey, SelfAttention
from ...features.level_recorder import LevelRecorder
from ..injected_call import InjectedCall
from .architecture import Architecture, NetworkCall, PatchedCall
from .attention_hook import AttentionHook
from .block_marks import with_marks
from .reference_latents import check_conditioning, check_no_references
from .token_features import STATISTICS
from .token_injection import TokenInjection
from .token_recording import TokenRecording

MOST_STEPS = 999


class TokenArchitecture(Architecture):
    """A transformer over image tokens, of flow-matching models. A bank keeps q of a content, k and v of a style.

    network_class: ComfyUI's. models: those it covers, for sentences. stages: name of a kind of block, as
    `transformer_options["block_type"]` has it or "block" -> the network's attribute that holds them.
    order: of the tokens, "text_image", "image_text", or "image" where the text is seen in a cross-attention.
    names: how a call's layer is known: "options" says it, "marks" are put around each block, or attentions are counted
    ("count"). crossed: after its self-attention each block has one over the text.
    text_shift: how far one more text token moves the image's positions, on each axis; () for not at all.
    column_axis: which of the positions' axes counts columns; the one before it counts rows.
    """

    network_class: str
    models: str
    stages: Mapping[str, str]
    order = "text_image"
    names = "options"
    crossed = False
    text_shift: tuple[float, ...] = ()
    column_axis = -1
    padded_texts_join = False
    roles_record_alike = False
    keeps_qk = True
    kind = "transformer"

    @classmethod
    def claims(cls, network) -> bool:
        return type(network).__name__ == cls.network_class

    @property
    @abstractmethod
    def patch(self) -> int:
        """Latent pixels along a token's side."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Heads times channels a head."""

    @property
    def rotary(self) -> Rotary | None:
        """The positions in q and k; None where they are learnt and added before."""
        return None

    @property
    def has_positions(self) -> bool:
        return self.rotary is not None

    @property
    def assumed_guidance(self) -> float | None:
        """Guidance of a guidance-distilled network where the conditioning does not say; None for other networks."""
        return None

    def check_conditioning(self, name: str, conditioning: list) -> None:
        """Refuses reference latents; warns of distilled guidance other than 1, which bends the way that an inversion
        climbs and a sampling descends."""
        check_conditioning(conditioning)
        if self.assumed_guidance is None:
            return
        found = {float(extra.get("guidance", self.assumed_guidance)) for _, extra in conditioning}
        if wrong := sorted(found - {1.0}):
            logging.warning(
                f"{name}: this model is distilled for guidance and runs at {wrong[-1]:g}. Inversion and sampling fit "
                "each other best at 1: put FluxGuidance with 1 on the conditioning of every CellStyle node."
            )

    def masked_start(self, x: torch.Tensor, clean: torch.Tensor, sigma: float) -> torch.Tensor:
        return super().masked_start(x, clean, sigma) / getattr(self.model_sampling, "noise_scale", 1.0)

    @property
    def padded_to(self) -> int:
        """Image tokens are filled up to a multiple of this."""
        return 1

    def second_attention(self, stage: str, number: int) -> bool:
        """Whether a block has a second attention, of the image's tokens alone."""
        return False

    def step(self, rows: int, columns: int) -> tuple[float, ...]:
        """The way to a place so many rows and columns further down and to the right, on each axis of the positions."""
        axes = len(self.rotary.frequencies)
        column = self.column_axis % axes
        along = {column: float(columns), column - 1: float(rows)}
        return tuple(along.get(axis, 0.0) for axis in range(axes))

    def text_moves(self, rope: Mapping, texts: int) -> bool:
        """Whether it is the text's length that places the image in a call; asked where `text_shift` says so and lengths
        differ. rope: the network's `rope_options` in that call. texts: see `text_end`.

        Raises: ValueError where that can't be told.
        """
        return True

    def text_end(self, texts: int) -> int:
        """Where the image starts, as its positions count it, for a text of that many tokens."""
        return texts

    @property
    def blocks(self) -> tuple[str, ...]:
        names = tuple(self.stages)
        return names if len(names) > 1 or names == ("block",) else (*names, "block")

    @property
    def layers_example(self) -> str:
        blocks = {layer.block: layer.number for layer in self.layers()}
        return ", ".join(f'"{name}.0-{last}"' if last else f'"{name}.0"' for name, last in blocks.items())

    def not_supported_reasons(self) -> list[str]:
        if isinstance(self.model_sampling, CONST):
            return []
        return [
            f"the model ({type(self.model.model).__name__}) is no flow-matching model, which the transformers that "
            f"CellStyle works with are ({self.models})."
        ]

    @property
    def path(self) -> NoisePath:
        return FLOW

    @property
    def latent_ndim(self) -> int:
        return 2 + self.model.get_model_object("latent_format").latent_dimensions

    @cached_property
    def _layers(self) -> dict[LayerKey, SelfAttention]:
        spec = SelfAttention(self.width, self.patch)
        return {
            LayerKey(stage, number, index): spec
            for stage, attribute in self.stages.items()
            for number in range(len(getattr(self.network, attribute)))
            for index in range(1 + self.second_attention(stage, number))
        }

    def layers(self) -> dict[LayerKey, SelfAttention]:
        return self._layers

    def auto(self) -> tuple[LayerKey, ...]:
        """The second half of the blocks. Source: RF-Solver-Edit (Wang et al. 2024) shares features of the later single
        blocks; chosen without real weights until somebody has measured better."""
        blocks = list(dict.fromkeys((layer.block, layer.number) for layer in self.layers()))
        later = set(blocks[len(blocks) // 2 :])
        return tuple(layer for layer in self.layers() if (layer.block, layer.number) in later)

    def select(self, text: str) -> tuple[LayerKey, ...]:
        """As the base class; where there is one kind of block, "block" names it too."""
        if len(self.stages) == 1:
            name = next(iter(self.stages))
            text = ", ".join(
                name + word.strip()[5:] if word.strip().startswith("block") else word
                for word in text.lower().split(",")
            )
        return super().select(text)

    def fingerprint(self) -> ModelFamily:
        """Class of the model and of its network, channels of the latent, width of the text, and the layers' widths."""
        config = self.model.model.model_config.unet_config
        texts = [config.get(name) for name in ("context_in_dim", "cap_feat_dim", "joint_attention_dim", "txtdim")]
        text = next((width for width in texts if width), 0)
        channels = self.model.get_model_object("latent_format").latent_channels
        name = f"{type(self.model.model).__name__}/{type(self.network).__name__}/{channels}/{text}"
        return ModelFamily.of(name, self.layers())

    def sampling_sigmas(self, steps: int, spacing: str) -> torch.Tensor:
        """The model's own "simple" schedule, with its shift; both spacings are the same here."""
        if spacing not in SPACINGS:
            raise ValueError(f"spacing {spacing!r} is unknown; choose one of {', '.join(SPACINGS)}.")
        if not 1 <= steps <= MOST_STEPS:
            raise ValueError(f"steps is {steps}; 1 to {MOST_STEPS} are possible. Typical: 12 to 28.")
        return flow_sigmas(comfy.samplers.calculate_sigmas(self.model_sampling, "simple", steps).float())

    def fit_sigmas(self, sigmas: torch.Tensor) -> torch.Tensor:
        sigmas = super().fit_sigmas(sigmas)
        if float(sigmas[0]) > 1:
            raise ValueError(
                f"sigmas starts at {float(sigmas[0]):g}; a flow-matching model's levels lie between 0 and 1. Make them "
                "with a scheduler node that has this model connected."
            )
        return flow_sigmas(sigmas)

    def first_sigma(self, solver: str) -> float:
        return 0.0

    def kept(self, role: str) -> tuple[int, int]:
        return (2, STATISTICS) if role == "style" else (1, 0)

    def grid(self, shape) -> tuple[int, int]:
        """(h, w) of the tokens of a latent (..., height, width); what does not divide is padded by the network."""
        return math.ceil(shape[-2] / self.patch), math.ceil(shape[-1] / self.patch)

    def image(self, tokens: int, sequence: int, layer: LayerKey) -> slice:
        """Where the image's `tokens` lie among the `sequence` of an attention."""
        if self.order != "text_image" or layer.index:
            return slice(0, tokens)
        start = sequence - math.ceil(tokens / self.padded_to) * self.padded_to
        return slice(start, start + tokens)

    def text_tokens(self, network: NetworkCall) -> int:
        """See `text_end`, of a network call."""
        return 0 if network.c_crossattn is None else self.text_end(network.c_crossattn.shape[1])

    def text_behind(self, network: NetworkCall) -> int | None:
        """How many tokens stand behind the image's in every attention of a call; None where that is not known."""
        return None

    def text_tokens_of(self, bank: FeatureBank, otherwise: int) -> int:
        """See `text_end`, of the call that was recorded. otherwise: where the bank does not know its conditioning.

        Raises: ValueError: several conditionings with texts of different lengths, so that it can't be told.
        """
        lengths = {self.text_end(cross.shape[1]) for cross, _ in bank.conditioning}
        if len(lengths) > 1:
            raise ValueError(
                f"the {bank.role} was inverted with several conditionings whose texts have different lengths, and in "
                f"{self.models} the text's length moves the picture. Invert with one conditioning."
            )
        return lengths.pop() if lengths else otherwise

    def recording(self, options: Mapping, network: NetworkCall, recorder: LevelRecorder, rows: slice) -> dict:
        check_no_references(network.kwargs)
        recorder.network_ran = True
        return self._hooked(options, network, recorder.layers, TokenRecording(recorder, rows))[0]

    def injecting(self, options: Mapping, network: NetworkCall, call: InjectedCall) -> PatchedCall:
        if not call.layers:
            return PatchedCall(dict(options))
        check_no_references(network.kwargs)
        texts = self.text_tokens(network)
        longer = {}
        if any(self.text_shift):
            banks = [*(part.bank for part in call.styles), *([call.content] if call.content else [])]
            longer = {bank: texts - self.text_tokens_of(bank, texts) for bank in banks}
        injection = TokenInjection(self, call, texts, longer)
        options, reached = self._hooked(options, network, call.layers, injection)

        def check() -> None:
            reached()
            injection.check()

        return PatchedCall(options, check)

    def _hooked(self, options: Mapping, network: NetworkCall, layers, act):
        """(options of the call with its override, what to check afterwards)."""
        before = options.get("optimized_attention_override")
        hook = AttentionHook(self, network.x.shape, layers, act, before, self.text_behind(network))
        # left over from a call before where somebody hands on the same dict
        options = {
            key: value for key, value in options.items() if key not in ("block_index", "block_type", "img_slice")
        }
        patches = options.get("patches", {})
        options["patches"] = {**patches, "attn1_patch": [*patches.get("attn1_patch", []), hook.text_patch]}
        options["optimized_attention_override"] = hook
        return (with_marks(options, self) if self.names == "marks" else options), hook.check
