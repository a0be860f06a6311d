"""Styles with relief: durian spikes and satin embroidery."""

import numpy as np
from styles_drawing import (
    TAU,
    below,
    blur,
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
    ramp,
    shade,
    smooth_noise,
    smoothstep,
    unit,
)

HUSKS = [
    colour("26300f", "5c6b1e", "93a02f", "c9c25a", "8a5a2b"),
    colour("2d2a10", "6e6420", "a99335", "dcc46a", "6b4320"),
    colour("1d2e14", "47702a", "7fa63a", "bcd36c", "6f5a26"),
    colour("33210f", "7a5423", "b18539", "e3c17a", "5a3216"),
    colour("1f2a16", "58702c", "a3a83c", "e6d977", "a0682e"),
]

THREADS = [
    colour("9b1d20", "d1495b", "f2c14e", "f7f1e3", "2f6690"),
    colour("1b4965", "62b6cb", "bee9e8", "f6f1e0", "e09f3e"),
    colour("3c6e47", "8fb339", "f4d35e", "ee964b", "f95738"),
    colour("4a2545", "9a4f96", "e5a4cb", "f9e9ec", "7fb7be"),
    colour("0d1b2a", "415a77", "c9ada7", "f2e9e4", "bc4749"),
    colour("7f1d1d", "b91c1c", "d4a017", "f5deb3", "14532d"),
]


def durian(rng, height, width):
    """A husk packed with faceted spikes: pyramids whose faces turn towards their neighbours, brown tips."""
    u = unit(height, width)
    deep, low, middle, high, tip = jitter(rng, HUSKS[rng.integers(len(HUSKS))], 0.04)
    y, x = grid(height, width)
    spacing = rng.uniform(18, 40) * u
    points = lattice_points(rng, height, width, spacing, rng.uniform(0.14, 0.28))
    bend = spacing * 0.18
    wy = y + bend * smooth_noise(rng, height, width, spacing * 3)
    wx = x + bend * smooth_noise(rng, height, width, spacing * 3)
    distance, index = nearest(points, wy, wx, 2)
    border = cell_edges(points, distance, index)
    first, second = points[index[..., 0]], points[index[..., 1]]
    facing = (second - first) / np.sqrt(((second - first) ** 2).sum(-1, keepdims=True))
    lean = rng.uniform(-0.12, 0.12, 2) * spacing
    radial = np.stack([wy, wx], -1) - first - lean
    radial /= np.sqrt((radial**2).sum(-1, keepdims=True)) + 1e-3
    normal = 0.72 * facing + 0.28 * radial
    angle = rng.uniform(0, TAU)
    light = -(normal[..., 0] * np.sin(angle) + normal[..., 1] * np.cos(angle))
    light = blur(light, 0.5)
    rise = np.clip(border / (border + 0.8 * distance[..., 0] + 1e-3), 0, 1)
    ribs = np.sin(np.arctan2(radial[..., 0], radial[..., 1]) * 9 + 6 * hash_values(index[..., 0]))
    picture = ramp(np.clip(0.95 * rise**1.2 + 0.2 * light + 0.17, 0, 1), [deep, low, middle, high])
    picture = mix(picture, tip, smoothstep(0.66, 0.95, rise) * 0.85)
    picture = mix(picture, high * 1.1, below(np.abs(rise - 0.78), 0.06, 0.08) * np.clip(light, 0, 1) * 0.5)
    tone = 0.85 + 0.3 * hash_values(index[..., 0] + 11)
    shadow = 0.45 + 0.55 * smoothstep(0, spacing * 0.2, border)
    dome = 1 + 0.14 * smooth_noise(rng, height, width, 130 * u)
    texture = (
        1 + 0.13 * ribs * (1 - rise) * smoothstep(0.05, 0.4, rise) + 0.05 * cloud_noise(rng, height, width, 5 * u, 2)
    )
    return finish(shade(picture, (0.9 + 0.4 * light) * tone * shadow * dome * texture))


def _stitches(v, w, angle, pitch, length, seed):
    """Parallel threads along `angle`: brightness and a random value of each stitch."""
    c, s = np.cos(angle), np.sin(angle)
    across, along = -s * w + c * v, c * w + s * v
    row = np.floor(across / pitch)
    offset = hash_values(row, seed) * length
    part = np.floor((along + offset) / length)
    ridge = 1 - (2 * (across / pitch - row) - 1) ** 2
    end = np.abs((along + offset) / length - part - 0.5) * 2
    bright = 0.55 + 0.5 * ridge - 0.22 * smoothstep(1 - 1.6 * pitch / length, 1, end)
    return bright, hash_values(row, part, seed)


def embroidery(rng, height, width):
    """Satin stitch: patches or flowers filled with parallel shining threads, each patch its own direction."""
    u = unit(height, width)
    threads = jitter(rng, THREADS[rng.integers(len(THREADS))], 0.03)
    threads = threads[rng.permutation(len(threads))]
    y, x = grid(height, width)
    pitch = rng.uniform(2.6, 4.2) * max(u, 0.75)
    length = pitch * rng.uniform(6, 12)
    kind = rng.integers(3)
    if kind == 0:  # patches
        spacing = rng.uniform(38, 70) * u
        points = lattice_points(rng, height, width, spacing, 0.3)
        distance, index = nearest(points, y + 5 * u * smooth_noise(rng, height, width, 30 * u), x, 2)
        border = cell_edges(points, distance, index)
        patch = index[..., 0]
        angle = np.floor(hash_values(patch) * 6) * (np.pi / 6)
        colours = threads[np.minimum((hash_values(patch, 3) * len(threads)).astype(int), len(threads) - 1)]
    else:  # flowers on a lattice over a ground of straight stitches
        pitch_f = rng.uniform(58, 92) * u
        points = lattice_points(rng, height, width, pitch_f, 0.0 if kind == 1 else 0.08, bool(rng.integers(2)))
        distance, index = nearest(points, y, x, 1)
        radius, site = distance[..., 0], index[..., 0]
        theta = np.arctan2(y - points[site][..., 0], x - points[site][..., 1]) + 0.4 * (site % 3)
        petals = int(rng.integers(5, 9))
        part = np.floor(theta / TAU * petals + 0.5)
        local = theta - part * TAU / petals
        px, py = radius * np.cos(local), radius * np.sin(local)
        reach, half = pitch_f * 0.47, pitch_f * 0.47 * np.sin(np.pi / petals) * 0.72
        petal = half - np.hypot((px - reach * 0.6) * half / (reach * 0.4), py)
        heart = reach * 0.2 - radius
        ring = heart > 0
        inside = (petal > 0) | ring
        border = np.where(ring, heart, np.maximum(petal, -petal))
        border = np.where(inside, border, np.minimum(np.abs(petal), np.abs(heart)))
        slant = rng.uniform(0.4, 0.9) * np.sign(py)
        angle = np.where(ring, 0.5, np.where(petal > 0, part * TAU / petals + slant - 0.4 * (site % 3), 0.0))
        ground = rng.choice([0.0, np.pi / 4, np.pi / 2])
        angle = np.where(inside, angle, ground)
        bloom = np.where((site % 2 == 0)[..., None], threads[0], threads[1])
        shading = smoothstep(0.3 * reach, reach, radius)[..., None]
        bloom = bloom + (threads[3] - bloom) * 0.55 * (1 - shading)
        colours = np.where(ring[..., None], threads[2], np.where(inside[..., None], bloom, threads[4]))
        patch = np.where(inside, site * 16 + part + 8 * ring, -1)
    bright, chance = _stitches(y, x, angle, pitch, length, patch)
    sheen = 0.5 + 0.5 * np.cos(2 * (angle - rng.uniform(0, np.pi)))
    picture = shade(colours, bright * (0.9 + 0.2 * chance))
    gleam = np.clip(bright - 0.75, 0, 1) * (0.25 + sheen) * 0.9
    picture = mix(picture, (1.0, 0.99, 0.95), gleam)
    edge = 0.5 + 0.5 * smoothstep(0, 1.6 * u, border)
    return finish(shade(picture, edge * (0.95 + 0.08 * sheen)))
