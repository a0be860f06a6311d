"""Makes the self-attention of output blocks 6..11 more selective in a checkpoint; then train on with --resume.

    python tools/demo_model/train_sharpen.py 1.7

Multiplies the query projections, so every attention logit, by a factor. Attention starts near uniform and leaves that
state slowly; the training that follows adapts everything else to the sharper weights.
"""

from __future__ import annotations

import argparse

import torch
from train_common import save_atomically
from train_unet import CHECKPOINT, REFERENCE_BLOCKS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("factor", type=float)
    options = parser.parse_args()
    state = torch.load(CHECKPOINT, weights_only=False)
    wanted = tuple(f"output_blocks.{block}." for block in REFERENCE_BLOCKS)
    names = [n for n in state["net"] if n.startswith(wanted) and n.endswith("attn1.to_q.weight")]
    for part in ("net", "ema"):
        for name in names:
            state[part][name] *= options.factor
    save_atomically(state, CHECKPOINT)
    print(f"{len(names)} query projections x {options.factor} at {state['samples']} samples")


if __name__ == "__main__":
    main()
