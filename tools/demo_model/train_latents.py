"""Encodes the cached pictures with the trained autoencoder; measures the latents' mean, spread and preview colours.

    python tools/demo_model/train_latents.py [--turns 1]      # -> .training/latents.pt

Pictures are flipped and turned before they are encoded: the autoencoder is not equivariant, so its latents must not be.
Each is encoded three times: as it is, in another look, and without its texture (looks.py).
"""

from __future__ import annotations

import argparse
import time

import dataset
import numpy as np
import torch
from looks import other_look, without_texture
from train_autoencoder import load_trained
from train_common import save_atomically
from train_paths import WORK

LATENTS = WORK / "latents.pt"


@torch.inference_mode()
def encode(pictures: np.ndarray, turns: int, seed: int = 1, seconds: float = 1e9) -> dict[str, torch.Tensor]:
    """Three sets of latents (turns * N, 16, 32, 32) float16 of pictures (N, 256, 256, 3), each turned at random.

    "latents" are the pictures', "looks" those of the same pictures in another look, "soft" without their texture.
    The second turn stops when the seconds are over; the first is always whole.
    """
    net = load_trained().to(memory_format=torch.channels_last)
    rng = np.random.default_rng(seed)
    result, start = {"latents": [], "looks": [], "soft": []}, time.monotonic()
    for turn in range(turns):
        for first in range(0, len(pictures), 16):
            if turn and time.monotonic() - start > seconds:
                return {name: torch.cat(parts) for name, parts in result.items()}
            batch = np.rot90(pictures[first : first + 16], rng.integers(4), axes=(1, 2))
            batch = batch[:, :, ::-1] if rng.random() < 0.5 else batch
            own = np.ascontiguousarray(batch).astype(np.float32) / 255
            shown = {
                "latents": own,
                "looks": np.stack([other_look(picture, rng) for picture in own]),
                "soft": np.stack([without_texture(picture) for picture in own]),
            }
            for name, variant in shown.items():
                x = torch.from_numpy(variant).permute(0, 3, 1, 2) * 2 - 1
                result[name].append(net.encode(x.to(memory_format=torch.channels_last)).half())
    return {name: torch.cat(parts) for name, parts in result.items()}


@torch.inference_mode()
def statistics(latents: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean and spread a channel (16,) of latents (N, 16, h, w)."""
    some = latents[:: max(1, len(latents) // 1000)].float()
    return {"mean": some.mean(dim=(0, 2, 3)), "std": some.std(dim=(0, 2, 3))}


@torch.inference_mode()
def preview_colours(pictures: np.ndarray, measured: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Least-squares map from normalised latents to colours in -1..1: factors (16, 3) and bias (3,)."""
    net = load_trained()
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    z = torch.cat([net.encode(part) for part in x.split(16)])
    z = (z - measured["mean"].view(1, -1, 1, 1)) / measured["std"].view(1, -1, 1, 1)
    colours = torch.nn.functional.avg_pool2d(x, 8)
    rows = z.movedim(1, -1).flatten(0, 2)
    rows = torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
    solution = torch.linalg.lstsq(rows, colours.movedim(1, -1).flatten(0, 2)).solution
    return solution[:-1], solution[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--threads", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pictures, names = dataset.load()
    start = time.monotonic()
    encoded = encode(pictures, options.turns, seconds=options.seconds)
    latents = encoded["latents"]
    measured = statistics(latents)
    factors, bias = preview_colours(pictures[:: max(1, len(pictures) // 128)], measured)
    measured.update(rgb_factors=factors, rgb_bias=bias)
    repeated = np.tile(names, options.turns)[: len(latents)]
    save_atomically({**encoded, "names": list(repeated), **measured}, LATENTS)
    print(f"{len(latents)} latents {tuple(latents.shape[1:])} in {time.monotonic() - start:.0f} s")
    print("mean", measured["mean"], "std", measured["std"])


if __name__ == "__main__":
    main()
