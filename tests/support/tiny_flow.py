"""A flow-matching model in ComfyUI's real Flux class, small and trained, for round trips and dials that random weights
cannot show. `train()` makes its weights, `tiny_flow.safetensors` beside it: ten minutes of one core.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from comfy_test_nodes.tiny_transformers import tiny_text, tiny_transformer

FILE = Path(__file__).with_suffix(".safetensors")
SIDE = 16
"""Of the latents, (B, 16, SIDE, SIDE): 64 tokens."""
_SIZE = {"hidden_size": 48, "num_heads": 3, "depth": 1, "depth_single_blocks": 2}


def pictures(count: int, seed: int) -> torch.Tensor:
    """(count, 16, SIDE, SIDE) of what it was trained on: a shaded ground with five flat discs, unit spread."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*shape, generator=generator)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    y, x = torch.meshgrid(torch.linspace(0, 1, SIDE), torch.linspace(0, 1, SIDE), indexing="ij")
    ground = 0.6 * normal(count, 16, 1, 1)
    ground = ground + 0.5 * F.interpolate(normal(count, 16, 3, 3), size=(SIDE, SIDE), mode="bicubic")
    for _ in range(5):
        top, left, radius = uniform(count, 1, 1), uniform(count, 1, 1), 0.08 + 0.2 * uniform(count, 1, 1)
        disc = torch.sigmoid(40 * (radius - ((y - top) ** 2 + (x - left) ** 2).sqrt()))[:, None]
        ground = torch.lerp(ground, normal(count, 16, 1, 1).expand_as(ground), disc)
    return ground + 0.05 * normal(count, 16, SIDE, SIDE)


def flow_text() -> list:
    """The one CONDITIONING that it knows."""
    return tiny_text("schnell")


def flow_model():
    """The MODEL with its trained weights."""
    from safetensors.torch import load_file

    model = tiny_transformer("schnell", **_SIZE)
    weights = {name: value.float() for name, value in load_file(FILE).items()}
    model.model.diffusion_model.load_state_dict(weights)
    return model


def train(steps: int = 3000, batch: int = 16, rate: float = 2e-3) -> None:
    """Flow matching (velocity, logit-normal levels); the averaged weights of the end, in fp16."""
    import comfy.model_management
    from safetensors.torch import save_file

    comfy.model_management.in_training = True  # rotary embedding that has a gradient
    network = tiny_transformer("schnell", **_SIZE).model.diffusion_model.requires_grad_(True)
    for module in network.modules():  # blocks add in place to what their norms keep for the way back
        if type(module).__name__ in ("LayerNorm", "RMSNorm"):
            module.register_forward_pre_hook(lambda _, given: tuple(x.clone() for x in given))
    optimiser = torch.optim.AdamW(network.parameters(), rate, betas=(0.9, 0.98), weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.1)
    (text, extra), *_ = flow_text()
    losses = []
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        clean = pictures(batch, 10_000 + step)
        level = torch.sigmoid(torch.randn(batch, 1, 1, 1, generator=generator))
        noise = torch.randn(clean.shape, generator=generator)
        velocity = network(
            torch.lerp(clean, noise, level),
            level.flatten(),
            text.expand(batch, -1, -1),
            y=extra["pooled_output"].expand(batch, -1),
        )
        loss = F.mse_loss(velocity, noise - clean)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if step % 100 == 99:
            print(step + 1, f"{sum(losses[-100:]) / 100:.4f}", flush=True)
        if step % 500 == 499 or step == steps - 1:
            save_file({name: value.half() for name, value in network.state_dict().items()}, FILE)
