"""Styles of small coloured pieces: mosaic and stained glass."""

import numpy as np
from styles_drawing import (
    TAU,
    below,
    cell_edges,
    cloud_noise,
    colour,
    finish,
    grid,
    hash_values,
    jitter,
    lattice_points,
    mix,
    nearest,
    rotate,
    shade,
    smooth_noise,
    smoothstep,
    unit,
)

MOSAICS = [
    (colour("1d4e6b", "2f7f95", "7cc0bd", "d9e6d3"), colour("d9a441", "b3471d", "f1dfa8"), colour("e8e0cf")),
    (colour("8c2f1b", "c0592f", "e0a15a"), colour("23303f", "4c6a7a", "f0e6cc"), colour("d8cfbd")),
    (colour("e9dfc4", "d8c79b", "c3ab78"), colour("43281c", "8d4a2b", "2d3b41"), colour("8f8674")),
    (colour("0d2c54", "15467f", "3c78b5"), colour("e8b12f", "f6d874", "b98414"), colour("2b2f36")),
    (colour("2f6b3c", "6fa053", "bcca7a"), colour("f3efd9", "d2583b", "e5a83c"), colour("dcd6c0")),
    (colour("5b2a6e", "9355a3", "cf9fd0"), colour("1b7f79", "f0c75e", "eadfe8"), colour("433a4a")),
]

GLASS = [
    colour("0b3c8c", "1f6fd1", "c81d25", "f2b705", "0f8a5f", "7b2d8b"),
    colour("f6c343", "e8871e", "c0392b", "7c1d1d", "fbe7a1"),
    colour("0a4d68", "088395", "05bfdb", "a7e3e8", "f3e08b"),
    colour("1e5631", "4c9a2a", "a4de02", "f0e68c", "d1495b"),
    colour("3d1a78", "7b3fb5", "c86bd6", "f2b5d4", "2ec4b6"),
    colour("f4efd9", "d8e2c3", "a9c8b5", "e9b872", "b5524a"),
]


def _pick(colours, value):
    return colours[np.minimum((value * len(colours)).astype(int), len(colours) - 1)]


def _tile(across, along, size):
    """Rows of square tiles in a frame: tile numbers and the distance in pixels to the tile's border."""
    row, column = np.floor(across / size), np.floor(along / size)
    dv = np.abs(across - (row + 0.5) * size)
    du = np.abs(along - (column + 0.5) * size)
    return row, column, size / 2 - np.maximum(dv, du) - 0.12 * np.minimum(dv, du) * (dv + du > 0.75 * size)


def _ring_tiles(radius, angle, size):
    ring = np.floor(radius / size)
    count = np.maximum(np.round(TAU * (ring + 0.5)), 4)
    along = (angle / TAU % 1) * count
    column = np.floor(along)
    du = np.abs(along - column - 0.5) * TAU * np.maximum(radius, size / 2) / count
    half = np.pi * np.maximum(radius, size / 2) / count
    dv = np.abs(radius - (ring + 0.5) * size)
    return ring, column, np.minimum(size / 2 - dv, half - du)


def mosaic(rng, height, width):
    """Small stones set in rows along curves and in rings of repeated medallions or fans, with grout between."""
    u = unit(height, width)
    ground, accent, grout = MOSAICS[rng.integers(len(MOSAICS))]
    ground, accent = jitter(rng, ground, 0.04), jitter(rng, accent, 0.04)
    size = rng.uniform(6, 11) * u
    y, x = grid(height, width)
    v, w = rotate(y, x, rng.uniform(-0.6, 0.6))
    period, amplitude = rng.uniform(60, 130) * u, rng.uniform(2, 11) * u
    bend = amplitude * np.sin(w * TAU / period) + amplitude * 0.4 * np.sin(w * TAU / period * 2.3 + 1)
    row, column, border = _tile(v + bend, w + size * 0.5 * (np.floor((v + bend) / size) % 2), size)
    stripes = int(rng.integers(3, 7))
    chance = hash_values(row, column)
    band = (row % (2 * stripes)) / (2 * stripes)
    colours = _pick(ground, np.clip(band + (chance - 0.5) * 0.3, 0, 0.999))
    line = row % (2 * stripes) == 0
    colours = np.where(line[..., None], accent[0], colours)

    style = rng.integers(4)
    if style < 3:
        gap = rng.uniform(6, 9.5) * size
        if style == 0:  # fans, row over row
            gap = max(gap, 6.5 * size)
            step = gap / 2
            chosen = np.full((height, width), -1.0, np.float32)
            radius, angle = np.zeros_like(y), np.zeros_like(y)
            for k in range(2, -1, -1):
                r = np.floor(y / step) + k
                cx = (np.round(x / gap - 0.5 * (r % 2)) + 0.5 * (r % 2)) * gap
                distance = np.hypot(y - r * step, x - cx)
                hit = distance < gap / 2 * 1.001
                radius = np.where(hit, distance, radius)
                angle = np.where(hit, np.arctan2(y - r * step, x - cx), angle)
                chosen = np.where(hit, r * 57 + np.round(cx), chosen)
            inside = chosen >= 0
            reach = gap / 2
        else:  # medallions on a lattice
            points = lattice_points(rng, height, width, gap * 1.1, 0.0 if style == 1 else 0.12, bool(rng.integers(2)))
            distance, index = nearest(points, y, x, 1)
            radius, chosen = distance[..., 0], index[..., 0]
            delta = np.stack([y, x], -1) - points[chosen]
            angle = np.arctan2(delta[..., 0], delta[..., 1])
            reach = np.floor(gap * 0.45 / size) * size
            inside = radius < reach
        ring, part, ring_border = _ring_tiles(radius, angle, size)
        rings = max(int(np.ceil(reach / size)), 1)
        order = rng.permutation(len(accent) * 4) % len(accent)
        kinds = order[: rings + 1] if rings + 1 <= len(order) else np.resize(order, rings + 1)
        ring_colours = accent[kinds[np.clip(ring, 0, rings).astype(int)]]
        if rng.random() < 0.6:
            petals = int(rng.integers(5, 9))
            alternate = (np.sin(angle * petals) > 0) & (ring % 2 == 1)
            ring_colours = np.where(alternate[..., None], ground[-1], ring_colours)
        colours = np.where(inside[..., None], ring_colours, colours)
        border = np.where(inside, np.minimum(ring_border, reach - radius), border)
        if style > 0:
            border = np.where(inside, border, np.minimum(border, radius - reach))
        chance = np.where(inside, hash_values(ring, part, chosen), chance)
    else:
        patch = smooth_noise(rng, height, width, 55 * u)
        motif = np.floor(patch * 2.2 + hash_values(row, column, row) * 0.35)
        colours = np.where((motif % 2 == 0)[..., None], _pick(accent, chance * 0.999), colours)

    tone = 0.86 + 0.28 * hash_values((chance * 65535).astype(int), row * 0 + 7)
    picture = shade(colours, tone * (0.9 + 0.14 * smoothstep(0, 2.5 * u, border)))
    gap = max(0.55, 0.75 * u)
    picture = mix(picture, grout * 0.85, 1 - below(-border, -gap, 0.6))
    return finish(shade(picture, 1 + 0.03 * cloud_noise(rng, height, width, 6 * u, 3)))


def stained_glass(rng, height, width):
    """Glowing panes between dark lead: free cells, diamond quarries or repeated rosettes."""
    u = unit(height, width)
    panes = jitter(rng, GLASS[rng.integers(len(GLASS))], 0.05)
    y, x = grid(height, width)
    kind = rng.integers(3)
    lead = rng.uniform(1.1, 2.2) * u
    if kind == 0:
        spacing = rng.uniform(17, 34) * u
        points = lattice_points(rng, height, width, spacing, rng.uniform(0.25, 0.45))
        sway = spacing * 0.12
        wy = y + sway * smooth_noise(rng, height, width, spacing * 0.8)
        distance, index = nearest(points, wy, x, 2)
        border = cell_edges(points, distance, index)
        cell = index[..., 0]
        position = points[cell]
        group = 0.5 + 0.5 * np.sin(position[..., 0] / (38 * u) + 1.3 * np.sin(position[..., 1] / (45 * u)))
        colours = _pick(panes, np.clip(group * 0.85 + 0.3 * (hash_values(cell) - 0.5), 0, 0.999))
    else:
        pitch = rng.uniform(54, 92) * u
        points = lattice_points(rng, height, width, pitch, 0.0, kind == 2)
        distance, index = nearest(points, y, x, 2)
        border = cell_edges(points, distance, index)
        site = index[..., 0]
        delta = np.stack([y, x], -1) - points[site]
        radius, angle = distance[..., 0], np.arctan2(delta[..., 0], delta[..., 1])
        petals = int(rng.choice([5, 6] if pitch < 72 * u else [6, 8, 10]))
        reach = pitch * 0.5
        part = np.floor(angle / TAU * petals + 0.5) % petals
        local = (angle - part * TAU / petals + np.pi) % TAU - np.pi
        spoke = np.abs(np.abs(local) - np.pi / petals) * radius
        px, py = radius * np.cos(local), np.abs(radius * np.sin(local))
        half = reach * 0.58 * np.sin(np.pi / petals) * 0.84
        petal = np.hypot((px - reach * 0.58) * half / (reach * 0.36), py) - half
        heart = radius - reach * 0.2
        rim = radius - reach * 0.96
        order = panes[rng.permutation(len(panes))]
        colours = np.where((part % 2 == 0)[..., None], order[1], order[2 % len(order)])
        border_in = np.minimum(np.minimum(np.abs(petal), np.abs(heart)), np.abs(rim))
        in_petal, in_heart, outside = petal < 0, heart < 0, rim > 0
        background = order[3 % len(order)]
        colours = np.where(in_petal[..., None], colours, background)
        colours = np.where(in_heart[..., None], order[0], colours)
        colours = np.where(outside[..., None], order[4 % len(order)], colours)
        ring = ~in_petal & ~in_heart & ~outside
        border = np.minimum(border, border_in)
        border = np.where(ring & (radius > reach * 0.9), np.minimum(border, spoke), border)
        cell = site * 31 + part * in_petal + 13 * outside + 17 * ring
    tone = 0.8 + 0.4 * hash_values(cell)
    streak = cloud_noise(rng, height, width, 14 * u, 3, stretch=(1.8, 0.5))
    glow = 0.74 + 0.46 * smoothstep(0, 5.5 * u, border)
    light = 1 + 0.12 * smooth_noise(rng, height, width, 110 * u)
    picture = shade(colours, tone * glow * light * (1 + 0.06 * streak))
    picture = mix(picture, (1.0, 1.0, 0.95), 0.2 * smoothstep(0.8, 2.2, streak) * smoothstep(2, 6 * u, border))
    metal = colour("15151a") + 0.12 * below(border, lead * 0.35, 0.6)[..., None]
    return finish(mix(picture, metal, below(border, lead, 0.7)))
