"""Trains the demo model's UNet on cached latents; resumable at any moment.

    python tools/demo_model/train_unet.py --minutes 48 [--resume | --init-from demo_model/cellstyle_demo.safetensors]

Noise prediction on Stable Diffusion's schedule, weighted by min-SNR-5, on crops of 16x16 latents; larger ones in the
last fifth of the time. In part of the batches (--reference) the self-attention of output blocks 6..11 takes keys and
values from another crop of the same picture at the same noise level. The network so learns to read texture from a
reference.
"""

from __future__ import annotations

import argparse
import time

import torch
from networks import build_unet
from train_common import Ema, cosine, save_atomically
from train_latents import LATENTS
from train_optimizer import Optimizers, split_weights
from train_parallel import Team, run
from train_paths import WORK, use_comfyui

CHECKPOINT = WORK / "unet.pt"
REFERENCE_BLOCKS = range(6, 12)
LR_MUON, LR_ADAM = 0.012, 1e-3
EDGES = ("input_blocks.0.", "out.2.")


def swap_halves(n: torch.Tensor, context: torch.Tensor, value: torch.Tensor, extra_options: dict):
    """An attn1_patch: in output blocks 6..11, keys and values are those of the batch's other half; n (B, tokens, C)."""
    kind, number = extra_options["block"]
    if kind == "output" and number in REFERENCE_BLOCKS:
        other = n.roll(n.shape[0] // 2, dims=0)
        return n, other, other
    return n, context, value


def crop_pairs(latents: torch.Tensor, count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """(2 * count, 16, size, size): crop i and crop count + i are of the same picture."""
    chosen = torch.randint(len(latents), (count,), generator=generator).tolist()
    room = latents.shape[-1] - size + 1
    corners = torch.randint(room, (2, count, 2), generator=generator).tolist()
    places = [(k, y, x) for half in corners for k, (y, x) in zip(chosen, half, strict=True)]
    return torch.stack([latents[k, :, y : y + size, x : x + size] for k, y, x in places])


def size_of(share: float, batch: int) -> tuple[int, int]:
    """(latent size, batch) after that share of the time: large crops at the end, so that attention sees far."""
    if share < 0.8:
        return 16, batch
    return (24, max(2, batch // 4 * 2)) if share < 0.93 else (32, max(2, batch // 6 * 2))


class Trainer:
    """The network, what it is trained with, and where it stands."""

    def __init__(self, device: torch.device, team: Team, seed: int = 0):
        torch.manual_seed(seed)
        self.device, self.team, self.seed = device, team, seed
        cached = torch.load(LATENTS, weights_only=False)
        self.mean, self.std = (cached[k].view(1, -1, 1, 1).to(device) for k in ("mean", "std"))
        self.latents = cached["latents"]
        self.unet = build_unet().to(device)
        self.context = torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(1)).to(device)
        self.optimizer = Optimizers(*split_weights(self.unet, EDGES), LR_MUON, LR_ADAM, 0.01, team)
        self.ema = Ema(self.unet, 0.999)
        self.generator = torch.Generator()
        self.sigmas = _sigmas().to(device)
        self.step = self.samples = 0
        self.seconds = 0.0
        self.curve: list[tuple[float, int, float]] = []

    def loss(self, batch: int, size: int, reference: bool) -> tuple[torch.Tensor, float]:
        """(weighted loss, plain mean squared error of the noise) of one batch."""
        z = crop_pairs(self.latents, batch // 2, size, self.generator).to(self.device, torch.float32)
        z = (z - self.mean) / self.std
        half = torch.randint(1000, (batch // 2,), generator=self.generator)
        t = half.repeat(2) if reference else torch.randint(1000, (batch,), generator=self.generator)
        sigma = self.sigmas[t.to(self.device)].view(-1, 1, 1, 1)
        noise = torch.randn(z.shape, generator=self.generator).to(self.device)
        x = (z + sigma * noise) / (1 + sigma**2) ** 0.5
        options = {"patches": {"attn1_patch": [swap_halves]}} if reference else {}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            predicted = self.unet(
                x, t.to(self.device).float(), self.context.expand(batch, -1, -1), transformer_options=options
            )
        error = (predicted.float() - noise).square().mean(dim=(1, 2, 3))
        weight = (5 * sigma.flatten() ** 2).clamp(max=1)  # min(SNR, 5) / SNR
        return (weight * error).mean(), error.mean().item()

    def save(self) -> None:
        state = {name: getattr(self, name) for name in ("step", "samples", "seconds", "curve")}
        state.update(net=self.unet.state_dict(), ema=self.ema.values, ema_count=self.ema.count)
        state.update(optimizer=self.optimizer.state_dict(), context=self.context.cpu(), seed=self.seed)
        save_atomically(state, CHECKPOINT)

    def resume(self) -> None:
        state = torch.load(CHECKPOINT, weights_only=False, map_location=self.device)
        for name in ("step", "samples", "seconds", "curve"):
            setattr(self, name, state[name])
        self.unet.load_state_dict(state["net"])
        self.ema.values, self.ema.count = state["ema"], state["ema_count"]
        self.optimizer.load_state_dict(state["optimizer"])

    def start_from(self, path: str) -> None:
        """Weights of an exported model, with a fresh optimizer and clock."""
        from safetensors.torch import load_file

        prefix = "model.diffusion_model."
        weights = {k[len(prefix) :]: v.float() for k, v in load_file(path).items() if k.startswith(prefix)}
        self.unet.load_state_dict(weights)
        self.ema = Ema(self.unet, 0.999)


def _sigmas() -> torch.Tensor:
    """(1000,) noise levels of Stable Diffusion's schedule, as ComfyUI has them."""
    use_comfyui()
    from comfy.model_sampling import ModelSamplingDiscrete

    return ModelSamplingDiscrete().sigmas.float()


def train(team: Team, options: argparse.Namespace) -> None:
    """Until options.minutes in all are over, earlier runs included."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(device, team)
    if options.resume:
        trainer.resume()
    elif options.init_from:
        trainer.start_from(options.init_from)
    batch = options.batch or (512 if device.type == "cuda" else 48)
    trainer.generator.manual_seed((trainer.seed * 1_000_003 + trainer.step) * 64 + team.rank)
    total, before, start = options.minutes * 60, trainer.seconds, time.monotonic()
    saved, running = start, {}
    while (spent := team.agree(before + time.monotonic() - start)) < total:
        share = spent / total
        size, count = size_of(share, batch // team.count)
        chance = torch.rand((), generator=torch.Generator().manual_seed(trainer.step))  # the same in every process
        paired = bool(chance < options.reference)
        loss, error = trainer.loss(count, size, paired)
        trainer.unet.zero_grad(set_to_none=True)
        loss.backward()
        team.mean_gradients(trainer.unet)
        torch.nn.utils.clip_grad_norm_(trainer.unet.parameters(), 1.0)
        trainer.optimizer.step(cosine(share, 1.0, 0.02, warm=0.01))
        trainer.ema.update(trainer.unet)
        trainer.step, trainer.samples, trainer.seconds = trainer.step + 1, trainer.samples + count * team.count, spent
        key = "reference" if paired else "plain"
        running[key] = 0.98 * running.get(key, error) + 0.02 * error
        if team.rank:
            continue
        if trainer.step % 25 == 0:
            trainer.curve.append((spent, trainer.samples, sum(running.values()) / len(running)))
            shown = ", ".join(f"{name} {value:.4f}" for name, value in sorted(running.items()))
            print(
                f"step {trainer.step} samples {trainer.samples} at {size}x{size}, {trainer.samples / spent:.1f}/s, "
                f"error {shown}, {(total - spent) / 60:.1f} min left",
                flush=True,
            )
        if time.monotonic() - saved > 120:
            trainer.save()
            saved = time.monotonic()
    if team.rank == 0:
        trainer.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=48, help="training time in all, earlier runs included")
    parser.add_argument("--batch", type=int, default=0, help="crops a step in all; 0: 48 on a CPU, 512 on a GPU")
    parser.add_argument("--reference", type=float, default=0.4, help="share of the batches with a reference")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--init-from", metavar="FILE")
    options = parser.parse_args()
    run(train, options, options.processes)


if __name__ == "__main__":
    main()
