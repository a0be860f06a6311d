"""The UNet's training curve: python tools/demo_model/evaluate_curve.py -> docs/images/demo_model/curve.png"""

from __future__ import annotations

import torch
from PIL import Image, ImageDraw
from train_paths import ROOT
from train_unet import CHECKPOINT

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 300, 56, 36


def main() -> None:
    curve = torch.load(CHECKPOINT, weights_only=False, map_location="cpu")["curve"]
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(picture)
    most = max(samples for _, samples, _ in curve)

    def place(samples: float, error: float) -> tuple[float, float]:
        return LEFT + (WIDTH - LEFT - 20) * samples / most, 12 + (HEIGHT - BOTTOM - 12) * (1 - min(1.0, error))

    for tick in range(6):
        x, y = place(most * tick / 5, tick / 5)
        draw.line([(LEFT, y), (WIDTH - 20, y)], fill="#dddddd")
        draw.text((LEFT - 28, y - 6), f"{tick / 5:.1f}", fill="black")
        draw.text((x - 14, HEIGHT - BOTTOM + 4), f"{most * tick / 5000:.0f}k", fill="black")
    draw.text((WIDTH // 2 - 30, HEIGHT - 16), "samples", fill="black")
    draw.text((LEFT + 8, 14), "squared error of the clean latents, over all noise levels (running mean)", fill="black")
    draw.line([place(samples, error) for _, samples, error in curve], fill="#1f5fa8", width=2)
    target = ROOT / "docs" / "images" / "demo_model"
    target.mkdir(parents=True, exist_ok=True)
    picture.save(target / "curve.png", optimize=True)
    print(f"{most} samples, last running error {curve[-1][2]:.4f}")


if __name__ == "__main__":
    main()
