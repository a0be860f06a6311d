"""Painted styles: impressionist dabs and ink wash."""

import numpy as np
from styles_drawing import (
    TAU,
    blur,
    cloud_noise,
    colour,
    finish,
    halve,
    hash_values,
    jitter,
    lattice_points,
    mix,
    patches,
    ramp,
    smooth_noise,
    smoothstep,
    unit,
    unit_range,
)

PONDS = [
    (colour("1f3b5c", "35618a", "6b8fb3", "9fb6cf"), colour("3f6b3f", "7fa05a", "b8c878"), colour("e7a6b5", "f7e6dc")),
    (colour("2b2d55", "574b8b", "8d7bb5", "c3a9cf"), colour("2f5d50", "5f8f6a", "a7bf7b"), colour("f3c6d3", "fff3e6")),
    (colour("1d4a45", "2f7a6a", "6fae91", "b3d2b0"), colour("55702f", "92a04a", "d0c76a"), colour("e98b6d", "fbe3c0")),
    (colour("6b3f2a", "b06a3b", "e0a35c", "f3d79b"), colour("7a2e2a", "b5473a", "d98a4b"), colour("4b5f8f", "a9b9d8")),
    (colour("24405e", "4f7ca0", "a9c3cf", "f0d9b5"), colour("c46a4a", "e39a5f", "f3c98b"), colour("f7e7c4", "f2a65e")),
    (colour("3c4f2f", "6c8446", "a5b35f", "dcd88a"), colour("8a2f3c", "c9505a", "e88b84"), colour("f6efc9", "7c6fb0")),
]


def _stencils(rng, long, short, turns=24, variants=3):
    """Ready-made bristled dabs in many directions: pixel offsets (K, P) as y and x, and their brightness."""
    reach = int(np.ceil(long)) + 1
    dy, dx = (a.ravel().astype(np.float32) for a in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    found = []
    for k in range(turns * variants):
        angle = (k // variants) * np.pi / turns
        along, across = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx
        across = across - rng.uniform(-0.25, 0.25) / long * along**2
        bristle = rng.uniform(-0.5, 0.5, 16)[np.clip(across / (short * 0.3) + 8, 0, 15).astype(int)]
        t = along / (long * (0.9 + 0.25 * bristle))
        hit = np.flatnonzero(np.abs(across) < short * np.sqrt(np.clip(1 - t**4, 0, 1)))
        found.append((dy[hit], dx[hit], (1 + 0.16 * bristle - 0.13 * across / short)[hit]))
    size = max(len(f[0]) for f in found)
    oy, ox, light = (np.array([np.resize(f[i], size) for f in found], np.float32) for i in range(3))
    return oy.astype(np.int32), ox.astype(np.int32), light


def _dabs(canvas, rng, centres, angles, long, short, colours):
    """Bristled strokes painted over the canvas (H, W, 3), later ones on top."""
    height, width = canvas.shape[:2]
    oy, ox, light = _stencils(rng, long, short)
    margin = int(oy.max()) + 1
    near = ((centres > -margin) & (centres < np.array([height, width]) + margin)).all(1)
    centres, colours, angles = centres[near], colours[near], angles[near]
    turns = len(oy) // 3
    kind = np.round(angles / np.pi * turns).astype(int) % turns * 3 + rng.integers(0, 3, len(centres))
    base = np.floor(centres).astype(np.int32) + 2 * margin
    wide = width + 4 * margin
    last = np.full((height + 4 * margin) * wide, -1, np.int32)
    index = (base[:, 0] * wide + base[:, 1])[:, None] + (oy * wide + ox)[kind]
    last[index] = np.arange(index.size, dtype=np.int32).reshape(index.shape)
    last = last.reshape(-1, wide)[2 * margin : 2 * margin + height, 2 * margin : 2 * margin + width]
    seen = last >= 0
    owner, part = np.divmod(last[seen], oy.shape[1])
    canvas[seen] = colours[owner] * light[kind[owner], part][:, None]


def impression(rng, height, width):
    """Layers of oriented dabs along a flow: a pond with reflections, lily pads and blossoms."""
    u = 2 * unit(height, width)
    tall, wide = 2 * height, 2 * width
    water, leaf, bloom = (jitter(rng, c, 0.03) for c in PONDS[rng.integers(len(PONDS))])
    short = rng.uniform(2.2, 4.4) * u
    long = short * rng.uniform(2.4, 4.2)
    lean, sway = rng.choice([0.0, 0.0, 0.5, -0.5]), rng.uniform(0.2, 1.1)
    flow = lean + sway * smooth_noise(rng, height, width, 80 * u / 2)
    tone = unit_range(cloud_noise(rng, height, width, 60 * u / 2, 2, stretch=(0.7, 1.6)))
    pads = cloud_noise(rng, height, width, 34 * u / 2, 2, 0.4, stretch=(0.55, 1.5))
    swirl = rng.random() < 0.25
    cover = rng.uniform(0.1, 0.9)
    canvas = np.empty((tall, wide, 3), np.float32)
    canvas[:] = water[0] * 0.8
    flowers = lattice_points(rng, tall, wide, rng.uniform(34, 60) * u, 0.35)
    for layer, (grow, step) in enumerate([(1.5, 1.5), (1.0, 1.05), (0.75, 1.2)]):
        half_long, half_short = long * grow / 2 * 1.3, short * grow
        centres = lattice_points(rng, tall, wide, np.sqrt(half_long * half_short) * step * 1.5, 0.5)
        centres = centres[rng.permutation(len(centres))]
        at = np.clip(centres / 2, 0, (height - 1, width - 1)).astype(int)
        wave = flow[at[:, 0], at[:, 1]]
        angles = wave * (TAU / 3 if swirl else 0.6) + rng.normal(0, 0.18, len(centres))
        lightness = np.clip(tone[at[:, 0], at[:, 1]] + rng.normal(0, 0.13, len(centres)), 0, 1)
        shades = ramp(lightness, water)
        green = pads[at[:, 0], at[:, 1]]
        on_pad = green > cover
        shades = np.where(on_pad[:, None], ramp(np.clip((green - cover) * 0.7 + lightness * 0.5, 0, 1), leaf), shades)
        if layer == 2:
            keep = (rng.random(len(centres)) < 0.55) | on_pad
            centres, angles, shades = centres[keep], angles[keep], shades[keep]
        _dabs(canvas, rng, centres, angles, half_long, half_short, jitter(rng, shades, 0.035))
    count = int(rng.integers(4, 8))
    petals = np.repeat(flowers, count, 0) + rng.normal(0, short * 1.1, (len(flowers) * count, 2))
    kinds = jitter(rng, bloom[rng.integers(0, len(bloom), len(petals))], 0.05)
    _dabs(canvas, rng, petals, rng.uniform(-0.7, 0.7, len(petals)), short * 1.2, short * 0.7, kinds)
    return finish(halve(canvas))


def _washes(rng, height, width, u, density):
    """Large pale washes with darker wet edges, added to the density of ink."""
    for _ in range(int(rng.integers(2, 4))):
        field = cloud_noise(rng, height, width, rng.uniform(45, 90) * u, 4, 0.45, stretch=(0.6, 1.4))
        level = rng.uniform(0.1, 0.9)
        inside = smoothstep(level, level + 0.08, field)
        edge = np.exp(-((np.clip(field - level, 0, None) / 0.14) ** 1.2)) * inside
        density += rng.uniform(0.08, 0.28) * (inside * 0.7 + edge)


def _ridges(rng, height, width, u, density):
    """Mountains behind each other, dark at the crest and fading into mist."""
    y = np.arange(height, dtype=np.float32)[:, None]
    count = int(rng.integers(4, 8))
    reach = height / count
    for k in range(count):
        crest = cloud_noise(rng, 4, width, rng.uniform(30, 55) * u, 5, 0.52)[0]
        top = (k + 0.35) * reach - crest * rng.uniform(9, 17) * u
        depth = y - top + 1.2 * u * smooth_noise(rng, height, width, 5 * u)
        inside = smoothstep(-0.8, 0.8, depth)
        body = np.exp(-np.clip(depth, 0, None) / (reach * rng.uniform(0.5, 0.9)))
        rim = np.exp(-np.clip(depth, 0, None) / (3 * u))
        dry = smoothstep(-0.3, 0.9, smooth_noise(rng, height, width, 6 * u, (2.2, 0.35)))
        strength = 0.16 + 0.6 * (k / count) ** 1.2
        density *= 1 - 0.75 * inside * body[..., :]
        density += inside * strength * (body * (0.75 + 0.5 * dry * np.exp(-depth.clip(0) / (12 * u))) + 0.7 * rim)


def _leaves(rng, height, width, u, density):
    """Bamboo: tapered strokes in fans of three to five, with stems, over and over in near and far greys."""
    for strength, size in ((0.25, 1.0), (0.75, 1.1), (1.6, 1.0)):
        hubs = lattice_points(rng, height, width, rng.uniform(38, 56) * u, 0.35)
        count = int(rng.integers(3, 6))
        fan = np.linspace(-0.75, 0.75, count)
        droop = np.pi / 2 + rng.uniform(-0.4, 0.4)
        angles = (droop + fan[None] + rng.normal(0, 0.14, (len(hubs), count))).ravel()
        long = rng.uniform(11, 16) * u * size
        centres = np.repeat(hubs, count, 0) + long * np.stack([np.sin(angles), np.cos(angles)], 1)
        _strokes(rng, density, centres, angles, long, rng.uniform(1.9, 2.8) * u * size, strength)
    stems = np.sort(rng.uniform(0, width, max(3, round(width / (60 * u)))))
    x = np.arange(width, dtype=np.float32)[None]
    y = np.arange(height, dtype=np.float32)[:, None]
    for stem in stems:
        half = rng.uniform(1.6, 3.6) * u
        off = x - stem - (y - height / 2) * rng.uniform(-0.12, 0.12)
        joint = np.abs((y / (44 * u) + rng.random()) % 1 - 0.5) * 44 * u < 0.9 * u
        body = np.clip(0.5 + (half - np.abs(off)) / 1.4, 0, 1) * (0.35 + 0.65 * np.abs(off) / half)
        density += np.where(joint, 0.1, 1.0) * body * rng.uniform(0.4, 1.0)


def _strokes(rng, density, centres, angles, long, wide, strength):
    """Tapered strokes of transparent ink with dry, streaky tails, summed where they overlap."""
    height, width = density.shape
    index, along, across, owner = patches(height, width, centres, angles, long)
    bow = rng.uniform(-0.12, 0.12, len(centres)).astype(np.float32)[owner] / long
    across = across + bow * along**2
    t = (along / long + 1) / 2
    half = wide * np.clip(t, 0, 1) ** 0.55 * np.clip(1 - t, 0, 1) ** 0.8 * 2.0 + 1e-3
    cover = np.clip(0.5 + (half - np.abs(across)) / 1.3, 0, 1) * (half > 0.35)
    streak = hash_values(np.floor(across / (wide * 0.28)) + 40, owner)
    dry = 1 - smoothstep(0.45, 1.0, t) * (streak > 0.5) * 0.8
    wet = 0.75 + 0.45 * np.abs(across) / half
    tone = (strength * np.exp(rng.normal(0, 0.25, len(centres)))).astype(np.float32)[owner]
    ink = np.bincount(index, cover * dry * np.minimum(wet, 1.2) * tone, height * width)
    density += ink.reshape(height, width).astype(np.float32)


def _dry_strokes(rng, density, centres, angles, long, wide, strength):
    """Broad bowed strokes with blunt ends; bristles run dry one after the other and leave bare streaks."""
    height, width = density.shape
    index, along, across, owner = patches(height, width, centres, angles, long * 1.05)
    bow = rng.uniform(-0.35, 0.35, len(centres)).astype(np.float32)[owner] / long
    across = across + bow * along**2
    bristle = across / (wide * 0.13)
    ragged = hash_values(np.floor(bristle) + 40, owner)
    t = (along / long + 1) / 2 + 0.06 * (ragged - 0.5)
    shape = np.clip(0.5 + (wide - np.abs(across)) / 1.6, 0, 1) * smoothstep(0.0, 0.03, t) * (1 - smoothstep(0.97, 1, t))
    runs = ragged * 0.75 + 0.35
    dry = 1 - smoothstep(runs - 0.12, runs + 0.05, t) * 0.93
    furrow = 0.8 + 0.2 * np.cos(bristle * TAU)
    tone = (strength * np.exp(rng.normal(0, 0.3, len(centres)))).astype(np.float32)[owner]
    pooled = 1 + 0.5 * (1 - smoothstep(0, 0.12, t)) + 0.25 * smoothstep(0.75, 1, np.abs(across) / wide)
    ink = np.bincount(index, shape * dry * furrow * tone * pooled, height * width)
    density += ink.reshape(height, width).astype(np.float32)


def _brush_marks(rng, height, width, u, density):
    """Broad dry brush marks, all alike, some pale and some black, with flecks between."""
    spacing = rng.uniform(34, 56) * u
    long, wide = spacing * rng.uniform(0.4, 0.62), spacing * rng.uniform(0.1, 0.17)
    centres = lattice_points(rng, height, width, spacing, 0.2)
    turn = rng.uniform(0, TAU)
    angles = turn + rng.normal(0, 0.2, len(centres)) + rng.choice([0.0, np.pi / 2]) * (np.arange(len(centres)) % 2)
    dark = rng.random(len(centres)) < rng.uniform(0.35, 0.7)
    _dry_strokes(rng, density, centres[~dark], angles[~dark], long, wide, 0.4)
    _dry_strokes(rng, density, centres[dark], angles[dark], long, wide, 1.5)
    drops = lattice_points(rng, height, width, spacing * 0.8, 0.5)
    _strokes(rng, density, drops, rng.uniform(0, TAU, len(drops)), 3.2 * u, 1.5 * u, 0.9)


def _rings(rng, height, width, u, density):
    """Circles of one turn of a dry brush, open where the stroke ends."""
    spacing = rng.uniform(50, 82) * u
    centres = lattice_points(rng, height, width, spacing, 0.12)
    reach, wide = spacing * 0.36, spacing * rng.uniform(0.06, 0.1)
    start = rng.uniform(0, TAU) + rng.normal(0, 0.5, len(centres))
    index, along, across, owner = patches(height, width, centres, start, reach + wide * 1.5)
    t = np.arctan2(across, along) / TAU % 1
    radius = np.hypot(along, across) * (1 + 0.1 * (t - 0.5))
    off = radius - reach
    ragged = hash_values(np.floor(off / (wide * 0.2)) + 40, owner)
    shape = np.clip(0.5 + (wide * (1.05 - 0.35 * t) - np.abs(off)) / 1.4, 0, 1) * smoothstep(0, 0.012, t)
    runs = 0.4 + 0.6 * ragged
    shape = shape * (1 - smoothstep(runs - 0.12, runs + 0.04, t) * 0.95)
    tone = rng.choice([0.45, 1.4], len(centres), p=[0.3, 0.7]).astype(np.float32)[owner]
    ink = np.bincount(index, shape * tone * (1.2 - 0.5 * t), height * width)
    density += ink.reshape(height, width).astype(np.float32)


def ink_wash(rng, height, width):
    """Ink on rice paper: pale washes with wet edges and repeated strokes: bamboo, misty ridges, marks, rings."""
    u = unit(height, width)
    density = np.zeros((height, width), np.float32)
    kind = int(rng.choice(4, p=[0.35, 0.25, 0.22, 0.18]))
    if kind != 1:
        _washes(rng, height, width, u, density)
    [_leaves, _ridges, _brush_marks, _rings][kind](rng, height, width, u, density)
    grain = cloud_noise(rng, height, width, 4 * u, 3, 0.7)
    density = blur(density, 0.35 * u) * (1 + 0.12 * grain)
    paper = jitter(rng, colour("f3ecdc"), 0.02)
    ink = jitter(rng, colour(str(rng.choice(["1d1f22", "24262c", "2b2723", "1c2a33"]))), 0.01)
    fibres = smooth_noise(rng, height, width, 3 * u, (0.5, 4)) + smooth_noise(rng, height, width, 3 * u, (4, 0.5))
    sheet = paper * (1 + 0.012 * fibres)[..., None] * (1 + 0.02 * smooth_noise(rng, height, width, 90 * u))[..., None]
    picture = mix(sheet, ink, 1 - np.exp(-np.clip(density, 0, None) * 1.25))
    if rng.random() < 0.3:  # a red seal or blossoms
        spots = lattice_points(rng, height, width, rng.uniform(46, 80) * u, 0.3)
        red = np.zeros((height, width), np.float32)
        _strokes(
            rng,
            red,
            np.repeat(spots, 3, 0) + rng.normal(0, 2.5 * u, (len(spots) * 3, 2)),
            rng.uniform(0, TAU, len(spots) * 3),
            4 * u,
            2.2 * u,
            1.1,
        )
        picture = mix(picture, jitter(rng, colour("b3262a"), 0.03), 1 - np.exp(-blur(red, 0.5 * u)))
    return finish(picture)
