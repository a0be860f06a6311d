"""Transformers: a step with stored features beside ComfyUI's own, rows that ride along beside a batch of as many."""

from __future__ import annotations

import itertools

from bench_tables import table
from timing import interleaved, ratio, spread

STEPS = 3
SIZES = (256, 512)
# the real classes, wide enough for a step to cost more than its bookkeeping
SHAPES = {
    "flux": {
        "hidden_size": 512,
        "num_heads": 4,
        "axes_dim": [16, 56, 56],
        "depth": 2,
        "depth_single_blocks": 4,
    },
    "zimage": {"dim": 512, "n_heads": 4, "n_kv_heads": 4, "axes_dims": [32, 48, 48], "n_layers": 6},
    "qwen": {"attention_head_dim": 128, "num_attention_heads": 4, "axes_dims_rope": (16, 56, 56), "num_layers": 6},
}


def rows(options) -> list[dict]:
    """Prints the table; returns [{row, model, pixels, ratio, seconds, spread}]."""
    found = []

    def lines():
        repeats = options.repeats or (3 if options.quick else 7)
        sizes = (options.full_size,) if options.full_size else (128,) if options.quick else SIZES
        kinds = list(SHAPES)[: 1 if options.quick else None]
        for kind, pixels in itertools.product(kinds, sizes):
            for each in measure(kind, pixels, repeats):
                found.append(each)
                yield [
                    f"{each['model']}, {pixels} px",
                    each["row"],
                    f"{each['ratio']:.3f}",
                    f"{each['seconds']:.3f} s",
                    f"± {100 * each['spread']:.0f} %",
                ]

    table(
        "g. A sampling step of a transformer with injection / without, at the same batch",
        ["model", "features", "ratio", "plain step", "plain's spread"],
        lines(),
    )
    return found


def measure(kind: str, pixels: int, repeats: int) -> list[dict]:
    """One line for stored features, one for rows that ride along.

    Both sides run ComfyUI's Euler sampler over the same levels, from the same latent; the injection is put on the model
    before, once, as for any sampler.
    """
    import run_nodes as nodes
    from cellstyle.nodes.apply_style import CellStyleApply
    from comfy_test_nodes.tiny_transformers import tiny_latent, tiny_text, tiny_transformer
    from transformer_runs import sample_euler

    model, text = tiny_transformer(kind, **SHAPES[kind]), tiny_text(kind, tokens=64)
    grid = (pixels // 16, pixels // 16)
    content, style, three = (tiny_latent(kind, seed, grid, count) for seed, count in ((1, 1), (2, 1), (3, 3)))
    styled = {}
    for storage in ("ram", "recompute"):
        inverted, query, sigmas = nodes.invert(model, text, content, STEPS, storage=storage)
        style_kv, _ = nodes.capture(model, text, style, STEPS, storage=storage)
        styled[storage] = CellStyleApply.execute(model, style_kv, query, **nodes.DIALS).result[0]

    seconds = interleaved(
        {
            "plain": lambda: sample_euler(model, text, inverted, sigmas),
            "plain, batch of 3": lambda: sample_euler(model, text, three, sigmas),
            "stored": lambda: sample_euler(styled["ram"], text, inverted, sigmas),
            "rows that ride along": lambda: sample_euler(styled["recompute"], text, inverted, sigmas),
        },
        repeats,
    )
    return [
        {
            "row": name,
            "model": kind,
            "pixels": pixels,
            "ratio": ratio(seconds, name, base),
            "seconds": sorted(seconds[base])[len(seconds[base]) // 2] / STEPS,
            "spread": spread(seconds[base]),
        }
        for name, base in (("stored", "plain"), ("rows that ride along", "plain, batch of 3"))
    ]
