"""Trains the demo model's autoencoder on crops of the cached pictures, from a PCA on; resumable at any moment.

    python tools/demo_model/train_autoencoder.py --minutes 9 [--resume]
    python tools/demo_model/train_autoencoder.py --decoder-minutes 5   # afterwards, with the encoder as it is
    python tools/demo_model/train_autoencoder.py --decoder-minutes 20 --widths 128 256   # and a wider decoder
    python tools/demo_model/train_autoencoder.py --decoder-minutes 20 --with-encoder   # then train_latents.py anew

A finished one is trained on with pictures in proportion to their family's squared error, so that the worst gain most.
With its encoder, the latents are held near those that were, so that the UNet has little to learn anew.

Loss: mean squared and mean absolute error, the latter of the picture's gradients too (fine lines), and a mild pull of
the latents to unit spread. The decoder sees latents with a little noise, so that it forgives a denoiser's errors, and
fields of one latent, which have to become one colour: AdaIN gives an empty ground the mean of a busy picture's latents,
which no picture trains, and what a decoder makes of it lies as a weave over the ground.
"""

from __future__ import annotations

import argparse
import time

import dataset
import numpy as np
import torch
from networks import PatchAutoencoder, build_autoencoder, decoder_widths, widened
from train_common import Ema, cosine, save_atomically
from train_optimizer import Optimizers, split_weights
from train_parallel import Team, run
from train_paths import WORK

CHECKPOINT = WORK / "autoencoder.pt"
LATENT_NOISE = 0.02
FINE_FROM = 0.85  # share of the time from which bf16 is left
FIELD = 12  # latents a side of such a field, so that most of it is far from its borders
EVEN = 5.0  # weight of what a field of one latent decodes to beside one colour
HOLD = 0.005  # weight of the latents' squared distance from those of the encoder before
LR_MUON, LR_ADAM = 0.003, 1e-3
EDGES = ("to_latent.", "to_patch.", "encoder.1.", "encoder.8.", "decoder.9.", "smooth.")


def crops(pictures: np.ndarray, count: int, size: int, rng: np.random.Generator, shares=None) -> torch.Tensor:
    """(count, 3, size, size) in -1..1, at random places, flipped and turned at random; shares (N,): of each picture."""
    result = []
    for i in rng.choice(len(pictures), size=count, p=shares):
        y, x = rng.integers(pictures.shape[1] - size + 1, size=2)
        crop = np.rot90(pictures[i, y : y + size, x : x + size], rng.integers(4))
        result.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
    return torch.from_numpy(np.stack(result)).permute(0, 3, 1, 2).float() / 127.5 - 1


def loss_of(net: PatchAutoencoder, pictures: torch.Tensor, noise: float, before=None) -> tuple[torch.Tensor, ...]:
    """(loss, mean squared error) of a batch (B, 3, h, w); before: the autoencoder whose latents hold these."""
    latents = net.encode(pictures).float()
    error = net.decode(latents + noise * torch.randn_like(latents)).float() - pictures
    mse = error.square().mean()
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    spread = torch.relu(latents.abs() - 5).square().mean() + 1e-3 * latents.square().mean()
    loss = mse + 0.05 * error.abs().mean() + 0.02 * edges + 0.1 * spread
    loss = loss + EVEN * unevenness(net, latents.detach(), noise)
    if before is not None:
        with torch.no_grad():
            held = before.encode(pictures)
        loss = loss + HOLD * (latents - held).square().mean()
    return loss, mse


def unevenness(net: PatchAutoencoder, latents: torch.Tensor, noise: float) -> torch.Tensor:
    """How far fields of one latent decode to more than one colour: their variance over the picture.

    latents (B, 16, h, w). The fields: as AdaIN makes them of an empty ground, a picture's mean, moved by less than
    another picture's places lie from its own mean.
    """
    latents = latents[: len(latents) // 4 or 2]
    mean = latents.mean(dim=(2, 3), keepdim=True)
    places = torch.nn.functional.avg_pool2d(latents, 2)[..., :1, :1] - mean
    fields = mean + torch.rand_like(places[:, :1]) * places.roll(1, 0)
    fields = fields.expand(-1, -1, FIELD, FIELD)
    made = net.decode(fields + noise * torch.randn_like(fields)).float()
    return (made - made.mean(dim=(2, 3), keepdim=True)).square().mean()


@torch.inference_mode()
def psnr(net: PatchAutoencoder, pictures: np.ndarray) -> np.ndarray:
    """PSNR in dB of each picture's own reconstruction, clipped to 0..1; pictures (N, H, W, 3) uint8."""
    result = []
    for start in range(0, len(pictures), 8):
        x = torch.from_numpy(pictures[start : start + 8]).permute(0, 3, 1, 2).float() / 127.5 - 1
        error = (net.decode(net.encode(x)).clamp(-1, 1) - x) / 2
        result.append(-10 * torch.log10(error.square().mean(dim=(1, 2, 3))))
    return torch.cat(result).numpy()


def shares_by_error(net: PatchAutoencoder, pictures: np.ndarray, names: np.ndarray) -> np.ndarray:
    """(N,) how often to draw each picture: in proportion to its family's squared error, by some pictures."""
    shares = np.zeros(len(pictures))
    for name in set(names):
        of_family = np.flatnonzero(names == name)
        shares[of_family] = 10 ** (-psnr(net, pictures[of_family[:8]]).mean() / 10)
    return shares / shares.sum()


def report(net: PatchAutoencoder) -> None:
    """PSNR a family on held-out pictures, their mean, and the real tissue section's."""
    from skimage import data

    pictures, names = dataset.load(held_out=True)
    values = psnr(net, pictures)
    for name in sorted(set(names)):
        print(f"  {name:24s} {values[names == name].mean():.2f} dB")
    tissue = psnr(net, data.immunohistochemistry()[None])[0]
    print(f"held-out mean {values.mean():.2f} dB (worst {values.min():.2f}); tissue section {tissue:.2f} dB")


def train(team: Team, options: argparse.Namespace) -> None:
    """Until options.minutes in all are over, earlier runs included."""
    torch.manual_seed(0)
    pictures, names = dataset.load()
    some = torch.from_numpy(pictures[:: max(1, len(pictures) // 400)]).permute(0, 3, 1, 2).float() / 127.5 - 1
    net, shares, held = build_autoencoder(some), None, None
    step, before, done, earlier = 0, 0.0, 0, 0.0
    state = torch.load(CHECKPOINT, weights_only=False) if options.resume or options.decoder_minutes else None
    if state:
        step, done, earlier = state["step"], state["crops"], state.get("earlier", 0.0)
        before, net, held = state["seconds"] - earlier, autoencoder_of(state["net"]), state.get("held")
    if options.decoder_minutes and not options.resume:
        before, earlier = 0.0, state["seconds"]
        net = widened(autoencoder_of(state["ema"]), options.widths or decoder_widths(state["ema"]))
        held = (state.get("held") or state["ema"]) if options.with_encoder else None
    net = net.to(memory_format=torch.channels_last)
    optimizer, ema = Optimizers(*split_weights(net, EDGES), LR_MUON, LR_ADAM, team=team), Ema(net, 0.998)
    if options.resume:
        optimizer.load_state_dict(state["optimizer"])
        ema.values = state["ema"]
    if options.decoder_minutes:
        shares = shares_by_error(net, pictures, names)
        for part in (net.to_latent, net.encoder):
            part.requires_grad_(held is not None)
    holds = autoencoder_of(held).requires_grad_(False) if held else None
    rng = np.random.default_rng((team.rank, step))
    torch.manual_seed(step * 64 + team.rank)
    batch = max(1, options.batch // team.count)
    start = saved = time.monotonic()
    running, total = None, (options.decoder_minutes or options.minutes) * 60
    peak = 0.5 if options.decoder_minutes else 1.0
    while (spent := team.agree(before + time.monotonic() - start)) < total:
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bf16 and spent < FINE_FROM * total):
            loss, mse = loss_of(net, crops(pictures, batch, options.size, rng, shares), LATENT_NOISE, holds)
        net.zero_grad(set_to_none=True)
        loss.backward()
        team.mean_gradients(net)
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        share = cosine(spent / total, peak, 0.02, warm=0.02)
        optimizer.step(share)
        ema.update(net)
        step, done = step + 1, done + batch * team.count
        running = mse.item() if running is None else 0.98 * running + 0.02 * mse.item()
        if team.rank:
            continue
        if step % 50 == 0:
            print(
                f"step {step} crops {done} {done / spent:.1f}/s lr share {share:.3f} loss {loss.item():.5f} "
                f"psnr {-10 * np.log10(running / 4):.2f} dB, {(total - spent) / 60:.1f} min left",
                flush=True,
            )
        if time.monotonic() - saved > 60:
            save(net, ema, optimizer, step, spent, done, earlier, held)
            saved = time.monotonic()
    if team.rank == 0:
        save(net, ema, optimizer, step, spent, done, earlier, held)


def save(net, ema, optimizer, step: int, seconds: float, done: int, earlier: float = 0.0, held=None) -> None:
    """A checkpoint; seconds: of this training, earlier: of the one that it trains on; held: that one's weights."""
    state = {"net": net.state_dict(), "ema": ema.values, "optimizer": optimizer.state_dict()}
    state.update(step=step, seconds=earlier + seconds, earlier=earlier, crops=done, held=held)
    save_atomically(state, CHECKPOINT)


def start_from(path: str) -> None:
    """A checkpoint with the autoencoder of an exported model, to train on or to encode with."""
    from safetensors.torch import load_file

    prefix = "first_stage_model."
    net = autoencoder_of({k[len(prefix) :]: v.float() for k, v in load_file(path).items() if k.startswith(prefix)})
    optimizer = Optimizers(*split_weights(net, EDGES), LR_MUON, LR_ADAM)
    save(net, Ema(net, 0.998), optimizer, 0, 0.0, 0)


def autoencoder_of(weights: dict[str, torch.Tensor]) -> PatchAutoencoder:
    net = PatchAutoencoder(decoder_widths=decoder_widths(weights))
    net.load_state_dict(weights)
    return net


def load_trained() -> PatchAutoencoder:
    """The averaged autoencoder from the checkpoint, for evaluation."""
    return autoencoder_of(torch.load(CHECKPOINT, weights_only=False)["ema"]).eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=9, help="training time in all, earlier runs included")
    parser.add_argument("--decoder-minutes", type=float, help="train a finished checkpoint's decoder on; latents stay")
    parser.add_argument("--with-encoder", action="store_true", help="train its encoder too; latents change")
    parser.add_argument("--widths", type=int, nargs=2, metavar=("FINE", "COARSE"), help="of the decoder from now on")
    parser.add_argument("--batch", type=int, default=18)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--bf16", action="store_true", help="but for the end: quicker where a CPU has AMX")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--report", action="store_true", help="only evaluate the checkpoint")
    parser.add_argument("--init-from", metavar="FILE", help="only make a checkpoint of an exported model's autoencoder")
    options = parser.parse_args()
    if options.init_from:
        start_from(options.init_from)
        return
    if not options.report:
        run(train, options, options.processes)
    report(load_trained())


if __name__ == "__main__":
    main()
