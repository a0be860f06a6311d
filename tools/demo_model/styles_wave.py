"""Woodblock prints of waves: flat colours, carved outlines, graded skies."""

import numpy as np
from styles_drawing import (
    TAU,
    below,
    colour,
    finish,
    grid,
    jitter,
    mix,
    ramp,
    shade,
    smooth_noise,
    smoothstep,
    unit,
)

PRINTS = [
    # deep, middle and pale water, foam, line, top and bottom of the sky, sun
    colour("1d3f6e", "4a7fb0", "a9c9d8", "f3ecd9", "12233f", "c9b98f", "efe4c6", "d2503a"),
    colour("21455a", "5a8f96", "b5d0c5", "f5efdd", "152a35", "d98f6a", "f4e3c4", "b93a2b"),
    colour("26316b", "5d74b4", "b4c4e0", "f4f0e4", "171c3f", "3f5d97", "e9dcc3", "e8b14c"),
    colour("2f4f46", "6c9a80", "c3d6b4", "f4efd9", "1c2f2a", "e2c07a", "f6ebcb", "c9472f"),
    colour("3a2f5b", "7d6ba0", "c9b7d3", "f5ecdf", "221b36", "e59a86", "f7e2c7", "c73e4a"),
    colour("7a2e2b", "c2604a", "ecb894", "f7ecd6", "3a1614", "2f4d66", "d9dcc8", "e7b24a"),
]


def _wave(y, x, inks, base, tall, period, ribs, pen, finger, lean):
    """One row of breaking waves: its picture and its coverage."""
    deep, middle, pale, foam, line = inks[:5]
    up = np.clip((base - y) / tall, -0.3, 1.3)
    shifted = x + lean * tall * up**2
    near = np.abs((shifted / period) % 1 - 0.5) * 2
    crest = base - tall * (1 - np.sqrt(1 - near**2 * 0.97))
    steep = np.sqrt(1 + np.clip(near * tall * 2 / period, 0, 1.2) ** 2) * (1 + 0.5 * near)
    depth = (y - crest) / steep
    rib = depth / ribs - 1.2
    stripe = np.floor(rib) % 4
    water = np.where((stripe == 1)[..., None], middle, np.where((stripe == 3)[..., None], pale, deep))
    edge = np.abs(rib - np.round(rib)) * ribs
    water = mix(water, line, below(edge, pen * 0.45, 0.6))
    water = mix(water, deep, smoothstep(6.0, 6.4, rib))
    swing = np.abs(np.sin(np.pi * shifted / finger))
    brink = ribs * (0.5 + 0.75 * near) + finger * 0.55 * swing * smoothstep(0.1, 0.75, near)
    water = mix(water, foam, below(depth, brink, 0.6))
    water = mix(water, line, below(np.abs(depth - brink), pen * 0.55, 0.6))
    water = mix(water, middle, below(np.abs(depth - brink * 0.52), pen * 0.5, 0.5) * smoothstep(0.25, 0.5, near))
    water = mix(water, line, below(np.abs(depth), pen, 0.6))
    return water, below(-depth, 0)


def _sea(picture, rng, y, x, u, inks, first):
    """Rows of breaking waves one in front of the other, ribbed along their flanks, with scalloped foam."""
    height = y.shape[0]
    period = rng.uniform(58, 100) * u
    tall = period * rng.uniform(0.32, 0.46)
    spacing = tall * rng.uniform(0.72, 1.0)
    lean = rng.uniform(0.3, 0.8) * rng.choice([-1, 1])
    ribs = period * rng.uniform(0.055, 0.085)
    pen = rng.uniform(0.6, 1.0) * max(u, 0.75)
    finger = ribs * rng.uniform(1.1, 1.7)
    sway = 2.5 * u * smooth_noise(rng, *y.shape, 40 * u)
    for k in range(int(np.ceil((height - first + tall) / spacing)) + 1):
        base = first + k * spacing + tall
        rows = slice(max(int(base - 1.4 * tall), 0), max(min(int(base + spacing + 12 * u), height), 0))
        if rows.stop <= rows.start:
            continue
        wy, wx = y[rows] + 0.5 * sway[rows], x[rows] + sway[rows] + (k % 2) * period / 2 + 0.13 * k * period
        water, cover = _wave(wy, wx, inks, base, tall, period, ribs, pen, finger, lean)
        picture[rows] = mix(picture[rows], water, cover)
    return picture


def _seigaiha(rng, y, x, u, inks):
    """Rows of concentric half rings."""
    size = rng.uniform(34, 64) * u
    pen = rng.uniform(0.7, 1.2) * max(u, 0.75)
    step = size / rng.uniform(3.4, 4.2)
    order = [inks[0], inks[3], inks[1], inks[2]] if rng.random() < 0.5 else [inks[3], inks[0], inks[3], inks[1]]
    rings = int(rng.integers(3, 6))
    picture = np.zeros((*y.shape, 3), np.float32)
    for k in range(4):
        row = np.floor(y / step) + k
        half = 0.5 * (row % 2)
        cx = (np.round(x / size - half) + half) * size
        r = np.hypot(y - row * step, x - cx) / (size / 2)
        ring = np.clip(np.floor(r * rings), 0, rings - 1).astype(int)
        fan = np.stack(order)[(rings - 1 - ring) % 4]
        gap = np.abs(r * rings - np.round(r * rings)) * size / 2 / rings
        fan = mix(fan, inks[4], below(gap, pen * 0.6, 0.6))
        picture = np.where((r < 1)[..., None], fan, picture)
    return picture


def _mist(picture, rng, y, x, u, inks, first):
    """Bars of cloud with round ends, stacked and outlined."""
    thick = rng.uniform(4.5, 7) * u
    for _ in range(int(rng.integers(4, 8))):
        cy, cx = rng.uniform(0, first), rng.uniform(0, y.shape[1])
        bars = [
            (k * 2 * thick, rng.uniform(-30, 30) * u, rng.uniform(26, 60) * u) for k in range(int(rng.integers(1, 4)))
        ]
        gap = np.min(
            [np.hypot(y - cy - oy, np.maximum(np.abs(x - cx - ox) - half, 0)) - thick for oy, ox, half in bars], 0
        )
        picture = mix(picture, inks[3], below(gap, 0, 0.7))
        picture = mix(picture, inks[4], below(np.abs(gap), 0.6 * u, 0.6) * 0.75)
    return picture


def woodblock(rng, height, width):
    """A print in flat colours: ribbed breaking waves with foam fingers under a graded sky, or rows of wave rings."""
    u = unit(height, width)
    inks = jitter(rng, PRINTS[rng.integers(len(PRINTS))], 0.025)
    y, x = grid(height, width)
    if rng.random() < 0.25:
        shift = rng.uniform(0, 300, 2)
        picture = _seigaiha(
            rng, y + shift[0], x + shift[1] + 0.6 * u * smooth_noise(rng, height, width, 20 * u), u, inks
        )
    else:
        first = height * rng.choice([-0.2, 0.1, 0.3])
        sky = np.clip(y / max(first + 30 * u, 1), 0, 1)
        picture = ramp(smoothstep(0, 0.9, sky), [inks[5], inks[6]])
        if first > 0.2 * height:
            sun = np.hypot(y - first * rng.uniform(0.4, 0.7), x - width * rng.uniform(0.2, 0.8))
            picture = mix(picture, inks[7], below(sun, rng.uniform(16, 30) * u, 0.8))
            if rng.random() < 0.6:
                picture = _mist(picture, rng, y, x, u, inks, first)
        picture = _sea(picture, rng, y, x + rng.uniform(0, 300), u, inks, first)
    grain = smooth_noise(rng, height, width, 3 * u, (0.7, 14)) + 0.6 * np.sin(
        y / (2.6 * u) + 2 * smooth_noise(rng, height, width, 50 * u, (0.6, 2)) * TAU / 4
    )
    return finish(shade(picture, 1 + 0.016 * grain))
