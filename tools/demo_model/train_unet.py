"""Trains the demo model's UNet on cached latents; resumable at any moment.

    python tools/demo_model/train_unet.py --minutes 48 [--resume | --init-from demo_model/cellstyle_demo.safetensors]

v-prediction on Stable Diffusion's schedule, the error of the clean picture weighted by min(10, 1 + 1 / sigma^2), 8 norm
groups. Half of every batch are clean crops with keys and values of their own; the other half are queries whose
self-attention in output blocks 6..11 reads keys and values of the first half, another crop of the same picture at the
same level. The queries are shown in another look (train_batches.py) and have to find the reference's. So the network
learns to take its look from keys and values. Stable Diffusion is not trained so.

Controls: --look 0, --prediction eps, --attention-start 0.
"""

from __future__ import annotations

import argparse
import shutil
import time

import torch
from attention_start import start_attention
from networks import NORM_GROUPS, build_unet
from torch.nn.attention import SDPBackend, sdpa_kernel
from train_batches import Batches
from train_common import Ema, cosine, save_atomically
from train_latents import LATENTS
from train_optimizer import Optimizers, split_weights
from train_parallel import Team, run
from train_paths import WORK, use_comfyui

CHECKPOINT = WORK / "unet.pt"
REFERENCE_BLOCKS = range(6, 12)
LR_MUON, LR_ADAM = 0.008, 1e-3
EDGES = ("input_blocks.0.", "out.2.")
EMA = 0.997
MOST = 10  # the largest weight of an error
KEEP_EVERY = 20 * 60  # seconds between the states that stay for export.py --average
ATTENTION_START = 2.5
ATTENTION = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)
SETTINGS = ("prediction", "groups", "look", "attention_start")


def read_reference(n: torch.Tensor, context: torch.Tensor, value: torch.Tensor, extra_options: dict):
    """An attn1_patch: in output blocks 6..11 the batch's second half reads the first half; n (B, tokens, C)."""
    kind, number = extra_options["block"]
    if kind == "output" and number in REFERENCE_BLOCKS:
        read = n[: len(n) // 2].repeat(2, 1, 1)
        return n, read, read
    return n, context, value


def denoised(unet, context, x, sigma, t, options: dict, prediction: str) -> torch.Tensor:
    """The clean latents that the network finds in x = clean + sigma * noise, (B, 16, h, w); sigma (B, 1, 1, 1)."""
    scale = (1 + sigma**2) ** 0.5
    found = unet(x / scale, t, context.expand(len(x), -1, -1), transformer_options=options).float()
    return x / scale**2 - found * sigma / scale if prediction == "v" else x - sigma * found


def size_of(share: float, batch: int) -> tuple[int, int]:
    """(latent size, batch) after that share of the time: large crops at the end, so that attention sees far."""
    if share < 0.65:
        return 16, batch
    return (24, max(2, batch // 4 * 2)) if share < 0.87 else (32, max(2, batch // 6 * 2))


class Trainer:
    """The network, what it is trained with, and where it stands."""

    def __init__(self, device: torch.device, team: Team, options: argparse.Namespace):
        torch.manual_seed(options.seed)
        self.device, self.team, self.seed = device, team, options.seed
        self.bf16 = options.bf16 or device.type == "cuda"
        self.settings = {name: getattr(options, name) for name in SETTINGS}
        self.unet = build_unet(options.groups).to(device)
        self.context = torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(1)).to(device)
        self.optimizer = Optimizers(*split_weights(self.unet, EDGES), LR_MUON, LR_ADAM, 0.01, team)
        self.ema = Ema(self.unet, EMA)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.sigmas = _sigmas()
        cached = torch.load(LATENTS, weights_only=False)
        self.batches = Batches(cached, self.sigmas, options.look, self.generator)
        self.step = self.samples = self.earlier_samples = 0
        self.seconds = 0.0
        self.curve: list[tuple[float, int, float]] = []

    def denoise(self, batch, options: dict) -> torch.Tensor:
        """The clean latents found in a batch with its noise."""
        shown, sigma = batch.shown.to(self.device), self.sigmas[batch.t].view(-1, 1, 1, 1).to(self.device)
        x = shown + sigma * batch.noise.to(self.device)
        # on a CPU the fused attention's way back is ten times slower in bf16 than its parts
        kernels = [SDPBackend.MATH] if self.bf16 and self.device.type == "cpu" else list(ATTENTION)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16), sdpa_kernel(kernels):
            t = batch.t.to(self.device).float()
            return denoised(self.unet, self.context, x, sigma, t, options, self.settings["prediction"])

    def loss(self, count: int, size: int) -> tuple[torch.Tensor, dict[str, float]]:
        """(weighted loss, squared error of the clean latents in references and queries) of one batch."""
        batch = self.batches.draw(count // 2, size)
        found = self.denoise(batch, {"patches": {"attn1_patch": [read_reference]}})
        counts = batch.counts.to(self.device)
        error = (found - batch.target.to(self.device)).square().mean(dim=1, keepdim=True) * counts
        error = error.sum(dim=(1, 2, 3)) / counts.sum(dim=(1, 2, 3)).clamp(min=1)
        weight = (1 + self.sigmas[batch.t].to(self.device) ** -2).clamp(max=MOST)
        own, read = error.detach().chunk(2)
        return (weight * error).mean(), {"reference": own.mean().item(), "query": read.mean().item()}

    def start_attention(self, spread: float) -> None:
        batch = self.batches.draw(8, 16)
        batch.t.fill_(450)
        blocks = REFERENCE_BLOCKS
        start_attention(self.unet, blocks, spread, lambda options: self.denoise(batch, options), self.generator)
        self.ema = Ema(self.unet, EMA)

    def save(self) -> None:
        names = ("step", "samples", "earlier_samples", "seconds", "curve", "settings", "seed")
        state = {name: getattr(self, name) for name in names}
        state.update(net=self.unet.state_dict(), ema=self.ema.values, ema_count=self.ema.count)
        state.update(optimizer=self.optimizer.state_dict(), context=self.context.cpu())
        save_atomically(state, CHECKPOINT)

    def keep(self) -> None:
        """A copy of the checkpoint that stays, named by its samples."""
        shutil.copyfile(CHECKPOINT, CHECKPOINT.with_name(f"unet-{self.samples}.pt"))

    def resume(self) -> None:
        state = torch.load(CHECKPOINT, weights_only=False, map_location=self.device)
        if self.settings["attention_start"] is None:  # not given
            self.settings["attention_start"] = state["settings"]["attention_start"]
        if state["settings"] != self.settings:
            raise SystemExit(f"The checkpoint was trained with {state['settings']}, not with {self.settings}.")
        for name in ("step", "samples", "earlier_samples", "seconds", "curve", "seed"):
            setattr(self, name, state[name])
        self.unet.load_state_dict(state["net"])
        self.ema.values, self.ema.count = state["ema"], state["ema_count"]
        self.optimizer.load_state_dict(state["optimizer"])

    def start_from(self, path: str) -> None:
        """Weights of an exported model, with a fresh optimizer and clock."""
        from safetensors import safe_open

        prefix = "model.diffusion_model."
        with safe_open(path, "pt") as file:
            notes = file.metadata()
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            self.unet.load_state_dict({name[len(prefix) :]: file.get_tensor(name).float() for name in names})
            self.context = file.get_tensor("null_context").float().to(self.device)
        self.earlier_samples = int(notes["unet_samples"])
        self.ema = Ema(self.unet, EMA)


def _sigmas() -> torch.Tensor:
    """(1000,) noise levels of Stable Diffusion's schedule, as ComfyUI has them."""
    use_comfyui()
    from comfy.model_sampling import ModelSamplingDiscrete

    return ModelSamplingDiscrete().sigmas.float()


def train(team: Team, options: argparse.Namespace) -> None:
    """Until options.minutes in all are over, earlier runs included."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(device, team, options)
    if options.resume:
        trainer.resume()
    elif options.init_from:
        trainer.start_from(options.init_from)
    if options.attention_start and not options.resume:
        trainer.start_attention(options.attention_start)
    batch = options.batch or (512 if device.type == "cuda" else 64)
    trainer.generator.manual_seed((trainer.seed * 1_000_003 + trainer.step) * 64 + team.rank)
    total, before, start = options.minutes * 60, trainer.seconds, time.monotonic()
    saved, kept, running = start, start, {}
    while (spent := team.agree(before + time.monotonic() - start)) < total:
        share = spent / total
        size, count = size_of(share, batch // team.count)
        loss, errors = trainer.loss(count, size)
        trainer.unet.zero_grad(set_to_none=True)
        loss.backward()
        team.mean_gradients(trainer.unet)
        torch.nn.utils.clip_grad_norm_(trainer.unet.parameters(), 1.0)
        trainer.optimizer.step(cosine(share, 1.0, 0.02, warm=0.01))
        trainer.ema.update(trainer.unet)
        trainer.step, trainer.samples, trainer.seconds = trainer.step + 1, trainer.samples + count * team.count, spent
        for name, error in errors.items():
            running[name] = 0.98 * running.get(name, error) + 0.02 * error
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
            if saved - kept > KEEP_EVERY:
                trainer.keep()
                kept = saved
    if team.rank == 0:
        trainer.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=48, help="training time in all, earlier runs included")
    parser.add_argument("--batch", type=int, default=0, help="crops a step in all; 0: 64 on a CPU, 512 on a GPU")
    parser.add_argument("--look", type=float, default=1.0, help="share of the queries that are shown in another look")
    parser.add_argument("--prediction", choices=("v", "eps"), default="v")
    parser.add_argument("--groups", type=int, default=NORM_GROUPS, help="groups of every GroupNorm")
    parser.add_argument(
        "--attention-start", type=float, help="first spread of logits; default 2.5, or 0 with --init-from"
    )
    parser.add_argument("--bf16", action="store_true", help="on a CPU too: quicker where it has AMX")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--init-from", metavar="FILE")
    options = parser.parse_args()
    if options.attention_start is None and not options.resume:
        options.attention_start = 0.0 if options.init_from else ATTENTION_START
    run(train, options, options.processes)


if __name__ == "__main__":
    main()
