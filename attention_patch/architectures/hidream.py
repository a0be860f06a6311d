"""HiDream I1: image first, then text; its blocks do not say which one runs, so that its attentions are counted."""

from __future__ import annotations

from ...equations.rotary import Rotary
from .architecture import NetworkCall
from .token_architecture import TokenArchitecture


class HiDream(TokenArchitecture):
    network_class = "HiDreamImageTransformer2DModel"
    models = "HiDream I1"
    stages = {"double": "double_stream_blocks", "single": "single_stream_blocks"}
    order = "image_text"
    names = "count"

    @property
    def patch(self) -> int:
        return self.network.patch_size

    @property
    def width(self) -> int:
        return self.network.x_embedder.proj.out_features

    def text_behind(self, network: NetworkCall) -> int | None:
        """T5's tokens, Llama's of its last layer, and Llama's of the block's own layer."""
        llama = network.kwargs.get("encoder_hidden_states_llama3")
        if network.c_crossattn is None or llama is None:
            return None
        return network.c_crossattn.shape[1] + 2 * llama.shape[2]

    @property
    def rotary(self) -> Rotary:
        return Rotary.of(self.network.pe_embedder.axes_dim, self.network.pe_embedder.theta)
