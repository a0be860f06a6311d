"""Stable Diffusion 3 and 3.5: joint blocks that do not say which one runs, so that each is marked. Learnt positions.
In 3.5 medium some blocks attend a second time, over the image's tokens alone."""

from __future__ import annotations

from .token_architecture import TokenArchitecture


class SD3(TokenArchitecture):
    network_class = "OpenAISignatureMMDITWrapper"
    models = "SD 3, SD 3.5"
    stages = {"joint": "joint_blocks"}
    names = "marks"

    @property
    def patch(self) -> int:
        return self.network.patch_size

    @property
    def width(self) -> int:
        return self.network.joint_blocks[0].x_block.attn.qkv.in_features

    def second_attention(self, stage: str, number: int) -> bool:
        return self.network.joint_blocks[number].x_block.x_block_self_attn
