"""What differs from one family of models to another, in one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

from ...equations.masked_start import masked_start_noise
from ...equations.noise_levels import check_sampling_sigmas
from ...equations.noise_path import NoisePath
from ...features.feature_bank import ModelFamily, predicted_bytes
from ...features.layer_key import LayerKey, SelfAttention
from ...features.level_recorder import LevelRecorder
from ..injected_call import InjectedCall
from .layer_names import select_layers


class NetworkCall(NamedTuple):
    """What an APPLY_MODEL wrapper was given. kwargs: everything else that the model gets (y, guidance, ...)."""

    x: torch.Tensor
    c_crossattn: torch.Tensor | None
    kwargs: Mapping


class PatchedCall(NamedTuple):
    """`transformer_options` for one network call, and what to check when the network has run (raises ValueError)."""

    options: dict
    check: Callable[[], None] = lambda: None


class Architecture(ABC):
    """One MODEL, seen as a member of its family. `choose.architecture_of` makes it.

    kind: the family, as sentences name it. blocks: names of blocks with self-attention. layers_example: two or three
    ways to name layers, for sentences. latent_ndim: dimensions of a batch of latents. padded_texts_join: whether
    conditionings of different text lengths may share a batch. roles_record_alike: whether content and style keep the
    same tensors, so that one pass can record both. keeps_qk: whether the injection works on queries and keys.
    """

    kind: str
    blocks: tuple[str, ...]
    layers_example: str
    latent_ndim = 4
    padded_texts_join = True
    roles_record_alike = True
    keeps_qk = False

    def __init__(self, model):
        self.model = model
        self.network = model.get_model_object("diffusion_model")
        self.model_sampling = model.get_model_object("model_sampling")

    @classmethod
    @abstractmethod
    def claims(cls, network) -> bool:
        """Whether a model whose `diffusion_model` is `network` is of this family."""

    @abstractmethod
    def not_supported_reasons(self) -> list[str]:
        """Every reason why this MODEL cannot be worked with, a sentence each; none where it can."""

    @property
    @abstractmethod
    def path(self) -> NoisePath:
        """How its latents lie between picture and noise."""

    @abstractmethod
    def layers(self) -> dict[LayerKey, SelfAttention]:
        """All self-attention layers, in the order they run."""

    @abstractmethod
    def auto(self) -> tuple[LayerKey, ...]:
        """The layers that "auto" stands for."""

    @abstractmethod
    def fingerprint(self) -> ModelFamily:
        """What features of this MODEL have to agree with."""

    @abstractmethod
    def sampling_sigmas(self, steps: int, spacing: str) -> torch.Tensor:
        """(steps + 1,) float32, strictly descending, ending with 0. Raises: ValueError: out of range."""

    @abstractmethod
    def first_sigma(self, solver: str) -> float:
        """The level that a clean latent is taken to be at."""

    @abstractmethod
    def recording(self, options: Mapping, network: NetworkCall, recorder: LevelRecorder, rows: slice) -> dict:
        """`transformer_options` of one network call that hands the features of `rows` of its batch to the recorder."""

    @abstractmethod
    def injecting(self, options: Mapping, network: NetworkCall, call: InjectedCall) -> PatchedCall:
        """One network call with the style injected in `call.layers`."""

    def prepare_for_recording(self, clone, residual_blocks: tuple[tuple[str, int], ...]) -> None:
        """Puts on a MODEL clone what it has to carry for a whole recording pass, beside the wrapper of its calls."""
        return

    def prepare_for_injection(self, clone, injection) -> None:
        """The same for an injection (`model_patch.StyleInjection`)."""
        return

    def kept(self, role: str) -> tuple[int, int]:
        """(tensors of a layer's width that are kept of a token, further rows of them beside the tokens'), for a bank of
        that role ("content" or "style")."""
        return 1, 0

    def predicted_bytes(
        self, layers: tuple[LayerKey, ...], latent_shape: tuple[int, ...], steps: int, element_size: int, role: str
    ) -> int:
        """Bytes that the features of `steps` levels will take, for a (B, C, ..., H, W) latent."""
        return predicted_bytes(self.layers(), layers, latent_shape, steps, element_size, *self.kept(role))

    def select(self, text: str) -> tuple[LayerKey, ...]:
        """Layers named by a person, see `select_layers`."""
        return select_layers(text, tuple(self.layers()), self.auto(), self.blocks, self.kind, self.layers_example)

    def select_residual_blocks(self, text: str) -> tuple[tuple[str, int], ...]:
        """Residual blocks named by a person. Raises: ValueError where the family has none."""
        raise ValueError(
            f"residual_features is {text!r}, but a {self.kind} has no residual blocks as a UNet has. Leave it empty."
        )

    @property
    def has_positions(self) -> bool:
        """Whether queries and keys carry rotary positions, which `style_position` changes."""
        return False

    def check_conditioning(self, name: str, conditioning: list) -> None:
        """Raises ValueError for a CONDITIONING that this family cannot be inverted or injected with, and logs what is
        bad for the inversion. name: the node's."""
        return

    def masked_start(self, x: torch.Tensor, clean: torch.Tensor, sigma: float) -> torch.Tensor:
        """See `masked_start_noise`."""
        return masked_start_noise(x, clean, sigma, self.path)

    def fit_sigmas(self, sigmas: torch.Tensor) -> torch.Tensor:
        """A scheduler's SIGMAS, checked, as this model can climb them: (n,) float32, strictly descending."""
        return check_sampling_sigmas(sigmas)
