"""Rows of tiles: cost against size, and how much of the tiles' borders shows, blended once and blended every step."""

from __future__ import annotations

import time

from bench_models import Subject
from bench_tables import table
from scaling_rows import exponent
from timing import wait_for_device

SETTINGS = {
    "gamma": 0.75, "tau": 1.5, "strength": 1.0, "start": "noise-preserving", "solver": "multistep",
    "spacing": "linspace", "refinement": 0, "gamma_curve": "constant", "gamma_end": 0.75, "storage": "ram",
}  # fmt: skip
TILE, OVERLAP = 128, 64
"""Of the seams' picture, in pixels."""


def rows(options) -> list[dict]:
    """Prints both tables; returns [{pixels, seconds, exponent}, {way: visibility}]."""
    return [cost(options), seams(options)]


def cost(options) -> dict:
    """Seconds of the whole node on the tiny model, and the exponent over the pixels."""
    import torch
    from cellstyle.nodes.tiled_transfer import CellStyleTiledTransfer
    from comfy_test_nodes.tiny_models import tiny_vae

    subject, vae = Subject("tiny"), tiny_vae()
    sides, tile, overlap = ((256, 512), 128, 64) if options.quick else ((1024, 2048, 4096), 512, 128)
    style = torch.rand(1, tile, tile, 3, generator=torch.Generator().manual_seed(1))

    def whole(side: int):
        content = torch.rand(1, side, side, 3, generator=torch.Generator().manual_seed(0))
        CellStyleTiledTransfer.execute(
            subject.model,
            subject.conditioning,
            vae,
            content,
            style,
            tile_size=tile,
            overlap=overlap,
            steps=1,
            **SETTINGS,
        )

    whole(tile)  # the first run also warms up
    took = []
    for side in sides:  # once each: the largest takes minutes
        started = time.perf_counter()
        whole(side)
        wait_for_device()
        took.append(time.perf_counter() - started)
    found = {"pixels": [side**2 for side in sides], "seconds": took}
    found["exponent"] = exponent(found["pixels"], took)
    table(
        f"Tiles of {tile} px: time ~ pixels ^ {found['exponent']:.2f} (tiny model, 1 step)",
        ["picture", "seconds"],
        [[f"{side} x {side}", f"{s:.1f}"] for side, s in zip(sides, took, strict=True)],
    )
    return found


def seams(options) -> dict[str, float]:
    """Mean step across tile borders / across other borders of latent pixels, with the demo model."""
    import torch
    from cellstyle.equations.tiles import lay_tiles
    from cellstyle.nodes.tiled_transfer import CellStyleTiledTransfer
    from example_pictures import picture

    content, style = picture("tissue"), picture("mural")[:, ::2, ::2]
    content = content[:, :TILE] if options.quick else content
    height, width = content.shape[1:3]
    subject = Subject("demo")
    from cellstyle.demo_model.load import load_demo_model

    vae = load_demo_model()[2]
    steps = 2 if options.quick else 11

    def run(content, tile_size=TILE):
        return CellStyleTiledTransfer.execute(
            subject.model, subject.conditioning, vae, content, style,
            tile_size=tile_size, overlap=OVERLAP, steps=steps, **SETTINGS,
        ).result[0]  # fmt: skip

    layout = lay_tiles((height // 8, width // 8), TILE // 8, OVERLAP // 8)
    borders = sorted({8 * side for span in layout.columns for side in span} - {0, width})
    cuts = list(range(TILE, width, TILE))
    side_by_side = torch.cat([run(content[:, :, left : left + TILE]) for left in (0, *cuts)], 2)
    found = {
        "blended once": visibility(run(content), borders),
        "blended every step": visibility(every_step(subject, vae, content, style, layout, steps), borders),
        "untiled": visibility(run(content, 1024), borders),
        "side by side": visibility(side_by_side, cuts),
    }
    table(
        f"Seams: step across tile borders / elsewhere (demo model, {steps} steps; bar 1.1)",
        ["way", "visibility"],
        [[way, f"{value:.3f}"] for way, value in found.items()],
    )
    return found


def every_step(subject: Subject, vae, content, style, layout, steps: int):
    """The same transfer as MultiDiffusion would blend it: after every step, with every tile's features kept."""
    import torch
    from cellstyle.engine.dials import Dials, InversionDials
    from cellstyle.engine.invert import invert_and_record
    from cellstyle.engine.sample import sample_injected
    from cellstyle.equations.tiles import blend, cut
    from cellstyle.features.wire_values import ContentQuery, StyleKV
    from cellstyle.nodes.latent_adain import with_one_palette
    from cellstyle.nodes.tiled_transfer import mosaic_latent

    how = InversionDials(steps, storage="ram", solver="multistep", spacing="linspace")

    def invert(picture, role):
        latent = {"samples": vae.encode(picture)}
        return invert_and_record("bench", subject.model, subject.conditioning, latent, how, role)

    noise, style_bank = invert(style, "style")
    tiles = [t.movedim(1, -1) for t in cut(content.movedim(-1, 1), layout.times(8))]
    inverted, banks = zip(*(invert(tile, "content") for tile in tiles), strict=True)
    x = with_one_palette(mosaic_latent(inverted, layout), noise, 1.0, SETTINGS["start"])["samples"]
    for level in range(len(style_bank.sigmas) - 1):
        sigmas = style_bank.sigmas[level : level + 2]
        parts = [
            sample_injected(
                *("bench", subject.model, subject.conditioning, {"samples": part}, StyleKV(style_bank)),
                *(ContentQuery(bank), Dials(), sigmas),
            )
            for part, bank in zip(cut(x, layout), banks, strict=True)
        ]
        x = blend(parts, layout)
    return torch.as_tensor(blend([vae.decode(p).movedim(-1, 1) for p in cut(x, layout)], layout.times(8))).movedim(
        1, -1
    )


def visibility(picture, borders: list[int]) -> float:
    """Mean step from column to column at `borders` / at the other multiples of 8, where the VAE's own grid shows."""
    import torch

    step = picture.diff(dim=2).abs().mean((0, 1, 3))
    at, other = torch.zeros(2, len(step), dtype=torch.bool)
    at[[border - 1 for border in borders]] = True
    other[7::8] = True
    return float(step[at].mean() / step[other & ~at].mean())
