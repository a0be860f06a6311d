"""Woodblock prints of waves: flat colours, carved outlines, graded skies."""

import numpy as np
from styles_drawing import (
    TAU,
    below,
    colour,
    finish,
    grid,
    jitter,
    lattice_points,
    mix,
    nearest,
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


def _sea(picture, rng, y, x, u, inks, first):
    """Breaking waves one in front of the other, ribbed along their flanks, with scalloped foam."""
    deep, middle, pale, foam, line = inks[:5]
    height = y.shape[0]
    period = rng.uniform(62, 104) * u
    tall = period * rng.uniform(0.26, 0.4)
    spacing = tall * rng.uniform(0.78, 1.05)
    lean = rng.uniform(0.25, 0.75) * rng.choice([-1, 1])
    ribs = period * rng.uniform(0.075, 0.11)
    pen = rng.uniform(0.6, 1.0) * max(u, 0.75)
    finger = ribs * rng.uniform(0.85, 1.3)
    wobble = 2.2 * u * smooth_noise(rng, *y.shape, 36 * u)
    count = int(np.ceil((height - first + tall) / spacing)) + 1
    for k in range(count):
        base = first + k * spacing + tall
        up = np.clip((base - y) / tall, -0.4, 1.3)
        shifted = x + wobble + lean * tall * up**2 * 0.9 + (k % 2) * period / 2
        phase = (shifted / period) % 1
        arch = np.abs(phase - 0.5) * 2
        crest = base - tall * (1 - np.sqrt(1 - (1 - arch) ** 2 * 0.98))
        slope = np.clip(np.abs(1 - arch) / np.sqrt(np.clip(1 - (1 - arch) ** 2 * 0.98, 0.03, 1)), 0, 2.2)
        steep = np.sqrt(1 + (slope * tall * 2 / period) ** 2)
        depth = (y - crest + wobble * 0.5) / steep
        inside = below(-depth, 0)
        rib = depth / ribs
        stripe = np.floor(rib) % 3
        water = np.where((stripe == 0)[..., None], middle, np.where((stripe == 1)[..., None], deep, pale))
        water = mix(water, deep, smoothstep(ribs * 4, ribs * 9, depth) * 0.85)
        fade = 1 - smoothstep(ribs * 5, ribs * 10, depth)
        water = mix(water, line, below(np.abs(rib - np.round(rib)) * ribs, pen * 0.55, 0.6) * fade)
        swing = np.abs(np.sin(np.pi * shifted / finger))
        brink = ribs * 0.55 + finger * 0.62 * swing * smoothstep(0.35, 0.95, arch) + ribs * 0.5 * arch
        water = mix(water, foam, below(depth, brink, 0.6))
        water = mix(water, line, below(np.abs(depth - brink), pen * 0.6, 0.6))
        inner = np.abs(depth - brink * 0.5)
        water = mix(water, middle, below(inner, pen * 0.4, 0.5) * 0.8 * (arch > 0.45))
        water = mix(water, line, below(np.abs(depth), pen, 0.6))
        picture = mix(picture, water, inside)
    return picture


def _seigaiha(rng, y, x, u, inks):
    """Rows of concentric half rings."""
    size = rng.uniform(34, 64) * u
    pen = rng.uniform(0.7, 1.2) * max(u, 0.75)
    step = size / rng.uniform(3.4, 4.2)
    order = [inks[0], inks[3], inks[1], inks[2]] if rng.random() < 0.5 else [inks[3], inks[0], inks[3], inks[1]]
    rings = int(rng.integers(3, 6))
    picture = np.zeros((*y.shape, 3), np.float32)
    for k in range(4, -1, -1):
        row = np.floor(y / step) + k
        half = 0.5 * (row % 2)
        cx = (np.round(x / size - half) + half) * size
        r = np.hypot(y - row * step, x - cx) / (size / 2)
        ring = np.minimum(np.floor(r * rings), rings - 1).astype(int)
        fan = np.stack(order)[(rings - 1 - ring) % 4]
        gap = np.abs(r * rings - np.round(r * rings)) * size / 2 / rings
        fan = mix(fan, inks[4], below(gap, pen * 0.6, 0.6))
        picture = np.where((r < 1)[..., None], fan, picture)
    return picture


def _clouds(picture, rng, y, x, u, inks):
    """Bands of rounded clouds drawn with an outline."""
    spacing = rng.uniform(34, 60) * u
    points = lattice_points(rng, *y.shape, spacing, 0.3)
    r = nearest(points, y * 1.9, x, 1)[0][..., 0] - spacing * 0.3
    picture = mix(picture, inks[3], below(r, 0, 0.8))
    return mix(picture, inks[4], below(np.abs(r), 0.8 * u, 0.6) * 0.8)


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
                picture = _clouds(picture, rng, y, x, u, inks)
        picture = _sea(picture, rng, y, x + rng.uniform(0, 300), u, inks, first)
    grain = smooth_noise(rng, height, width, 3 * u, (0.7, 14)) + 0.6 * np.sin(
        y / (2.6 * u) + 2 * smooth_noise(rng, height, width, 50 * u, (0.6, 2)) * TAU / 4
    )
    return finish(shade(picture, 1 + 0.016 * grain))
