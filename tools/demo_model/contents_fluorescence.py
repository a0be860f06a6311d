"""Fluorescence micrographs: bright labelled structures on black."""

import numpy as np
from drawing import (
    Canvas,
    blur,
    cells,
    cover,
    dots,
    ellipse,
    finish,
    hsv,
    noise,
    poisson_points,
    smoothstep,
    stamp_points,
    thin_points,
    walls,
    warp_offsets,
    wobbles,
)

CHANNELS = [
    [(0.62, 0.95, 1.0), (0.36, 1.0, 1.0), (0.0, 1.0, 1.0)],
    [(0.60, 0.80, 1.0), (0.0, 0.95, 1.0), (0.34, 1.0, 1.0)],
    [(0.62, 0.90, 1.0), (0.83, 0.90, 1.0), (0.16, 0.95, 1.0)],
    [(0.50, 0.90, 1.0), (0.86, 0.90, 1.0), (0.14, 0.90, 1.0)],
    [(0.64, 0.85, 1.0), (0.08, 1.0, 1.0), (0.45, 0.95, 1.0)],
    [(0.33, 1.0, 1.0), (0.92, 0.95, 1.0), (0.58, 0.70, 1.0)],
]


def fluorescence(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Many cells of one kind: textured nuclei, fibres or a membrane stain, and puncta, in two or three colours."""
    radius = float(np.exp(rng.uniform(np.log(7), np.log(24))))
    spacing = radius * rng.uniform(2.6, 4.6)
    centres = poisson_points(rng, height, width, spacing, margin=spacing, jitter=rng.uniform(0.15, 0.4))
    centres = thin_points(centres, 2.05 * radius)
    if rng.random() < 0.4:
        crowd = noise(rng, height + 2, width + 2, max(height, width) / 3)
        at = np.clip(centres.astype(int), 0, (height - 1, width - 1))
        centres = centres[crowd[at[:, 0], at[:, 1]] > rng.uniform(-1.2, -0.3)]
    if len(centres) < 2:
        centres = np.array([[height / 3, width / 3], [height / 1.5, width / 1.5]], np.float32)

    palette = CHANNELS[rng.integers(len(CHANNELS))]
    colours = [hsv(h + rng.uniform(-0.025, 0.025), s, v) for h, s, v in palette]
    if rng.random() < 0.12:
        colours = [hsv(0, 0, 1)] * 3 if rng.random() < 0.5 else [colours[1]] * 3

    nuclei, inside = _nuclei(rng, height, width, centres, radius)
    kind = rng.choice(["fibres", "tubules", "membrane", "mitochondria"], p=[0.3, 0.3, 0.2, 0.2])
    if kind == "fibres":
        body = _stress_fibres(rng, height, width, centres, radius, spacing)
    elif kind == "tubules":
        body = _tubules(rng, height, width, centres, radius, spacing)
    elif kind == "membrane":
        body = _membranes(rng, height, width, centres, radius)
    else:
        body = _mitochondria(rng, height, width, centres, radius, spacing)
    body *= 1 - rng.uniform(0.6, 0.95) * inside

    image = nuclei[..., None] * colours[0] * rng.uniform(0.75, 1.1)
    image += body[..., None] * colours[1] * rng.uniform(0.7, 1.1)
    if rng.random() < 0.75:
        image += _puncta(rng, height, width, centres, radius, spacing, inside)[..., None] * colours[2]
    haze = blur(image[::2, ::2], radius * 0.6).repeat(2, 0).repeat(2, 1)[:height, :width]
    image = image + rng.uniform(0.05, 0.18) * haze + rng.uniform(0.0, 0.025)
    image = 1 - np.exp(-1.25 * image)
    return finish(rng, image, rng.uniform(0.002, 0.008), rng.uniform(0.3, 0.7))


def _nuclei(rng, height, width, centres, radius):
    """Nuclei with shared texture (speckle, spots, dark nucleoli); brightness image and their coverage."""
    light = np.zeros((height, width), np.float32)
    inside = np.zeros((height, width), np.float32)
    stretch, spread = rng.uniform(1.0, 1.5), rng.uniform(0.05, 0.18)
    common, aligned = rng.uniform(0, np.pi), rng.random() < 0.35
    wobble, rim = rng.uniform(0.0, 0.12), rng.uniform(-0.2, 0.35)
    nucleoli = rng.integers(0, 5)
    soft = max(0.7, radius * 0.07)
    canvas = Canvas(height, width)
    for cy, cx in centres:
        size = radius * np.exp(rng.normal(0, spread))
        long, short = size * np.sqrt(stretch), size / np.sqrt(stretch)
        found = canvas.window(cy, cx, long * 1.25 + 2)
        angle = common + rng.normal(0, 0.2) if aligned else rng.uniform(0, np.pi)
        shape, level = wobbles(rng, wobble), np.exp(rng.normal(-0.25, 0.25))
        spots = rng.uniform(-0.6, 0.6, (nucleoli, 2)) * short
        if found is None:
            continue
        where, dy, dx = found
        distance = ellipse(dy, dx, angle, long, short, shape)
        mask = cover(distance, soft)
        value = level * (0.8 + rim * np.exp(-np.maximum(distance, 0) / (0.2 * radius)))
        for sy, sx in spots:
            value = value * (1 - 0.65 * np.exp(-((dy - sy) ** 2 + (dx - sx) ** 2) / (0.13 * radius) ** 2 / 2))
        light[where] = light[where] * (1 - mask) + value * mask
        inside[where] = np.maximum(inside[where], mask)
    texture = noise(rng, height, width, max(radius * rng.uniform(0.18, 0.4), 2.0), 2)
    light *= np.clip(1 + rng.uniform(0.08, 0.3) * texture, 0.2, 2)
    return light, inside


def _curves(rng, starts, angles, steps, step, bend, persistence=0.9):
    """Smoothly bending paths (N, steps, 2) from start points and directions."""
    turn = rng.normal(0, bend, (len(starts), steps)).astype(np.float32)
    for i in range(1, steps):
        turn[:, i] = persistence * turn[:, i - 1] + (1 - persistence) * turn[:, i] * 3
    heading = angles[:, None] + np.cumsum(turn, 1)
    move = np.stack([np.sin(heading), np.cos(heading)], 2) * step
    return starts[:, None, :] + np.cumsum(move, 1)


def _stress_fibres(rng, height, width, centres, radius, spacing):
    """Bundles of nearly parallel straight fibres, one direction a cell, bright at the cell's edge."""
    count = int(rng.integers(14, 34))
    direction = rng.uniform(0, np.pi) + rng.normal(0, rng.uniform(0.15, 0.9), len(centres))
    across = np.linspace(-1, 1, count)[None] + rng.normal(0, 0.05, (len(centres), count))
    offset = across * spacing * rng.uniform(0.42, 0.6)
    reach = spacing * rng.uniform(0.6, 0.95) * np.sqrt(np.clip(1.1 - across**2, 0.05, 1)) * rng.uniform(0.7, 1.1)
    normal = np.stack([np.cos(direction), -np.sin(direction)], 1)
    along = np.stack([np.sin(direction), np.cos(direction)], 1)
    starts = centres[:, None] + offset[..., None] * normal[:, None] - reach[..., None] * along[:, None]
    starts, reach = starts.reshape(-1, 2), reach.ravel()
    steps = int(max(2.2 * spacing, 8))
    angles = np.repeat(direction, count) + rng.normal(0, 0.04, len(starts))
    paths = _curves(rng, starts, angles, steps, 1.0, 0.004)
    position = np.arange(steps)[None] / np.maximum(2 * reach[:, None], 1)
    weights = np.exp(rng.normal(-0.3, 0.5, len(starts)))[:, None] * smoothstep(position, 1.0, 0.85)
    image = stamp_points(height, width, paths.reshape(-1, 2), weights.ravel())
    image = blur(image, rng.uniform(0.6, 1.0)) + 0.25 * blur(image, 2.5)
    return 1 - np.exp(-1.1 * image)


def _tubules(rng, height, width, centres, radius, spacing):
    """Thin curling filaments that radiate from beside each nucleus."""
    count = int(rng.integers(18, 40))
    angles = rng.uniform(0, 2 * np.pi, (len(centres), count))
    hub = centres + rng.normal(0, 0.5 * radius, centres.shape)
    starts = np.repeat(hub, count, 0) + rng.normal(0, 0.25 * radius, (len(hub) * count, 2))
    steps = int(max(spacing * rng.uniform(0.75, 1.0), 8))
    paths = _curves(rng, starts, angles.ravel(), steps, 1.0, rng.uniform(0.03, 0.1) * 8 / radius**0.9)
    ends = rng.uniform(0.5, 1.0, len(starts))[:, None]
    weights = smoothstep(np.arange(steps)[None] / steps, ends, ends - 0.12)
    image = stamp_points(height, width, paths.reshape(-1, 2), weights.ravel())
    image = blur(image, rng.uniform(0.55, 0.9)) + 0.15 * blur(image, 3)
    return 1 - np.exp(-rng.uniform(0.8, 1.3) * image)


def _membranes(rng, height, width, centres, radius):
    """Bright cell borders with a faint textured cytoplasm."""
    warp = warp_offsets(rng, height, width, radius * 2, radius * 0.15)
    border, index = walls(centres, height, width, warp)
    wide = max(0.9, radius * rng.uniform(0.05, 0.12))
    beads = 1 + rng.uniform(0, 0.35) * noise(rng, height, width, max(radius * 0.3, 2.5))
    level = np.exp(rng.normal(-1.8, 0.4, len(centres))).astype(np.float32)[index]
    grain = 1 + 0.3 * noise(rng, height, width, max(radius * 0.25, 2.5), 2)
    image = np.exp(-((border / wide) ** 2) / 2) * np.clip(beads, 0.2, 2) + level * np.clip(grain, 0, 2)
    far = cells(centres, height, width, warp)[0][0]
    return image * smoothstep(far, radius * 4.5, radius * 3.5)


def _mitochondria(rng, height, width, centres, radius, spacing):
    """Short bright worms crowded around each nucleus."""
    count = int(rng.integers(25, 60))
    angles = rng.uniform(0, 2 * np.pi, (len(centres), count))
    away = radius * 1.05 + np.abs(rng.normal(0, 0.22, angles.shape)) * spacing
    ring = np.stack([np.sin(angles), np.cos(angles)], 2) * away[..., None]
    starts = (centres[:, None] + ring).reshape(-1, 2)
    steps = int(np.clip(radius * rng.uniform(0.5, 1.3), 4, 30))
    heading = angles.ravel() + np.where(rng.random(len(starts)) < 0.6, 0, np.pi / 2) + rng.normal(0, 0.5, len(starts))
    paths = _curves(rng, starts, heading, steps, 0.9, 0.5 / radius)
    image = stamp_points(height, width, paths.reshape(-1, 2), 1.0)
    image = blur(image, max(0.8, radius * 0.05)) * max(1.0, radius * 0.06)
    return 1 - np.exp(-1.5 * image)


def _puncta(rng, height, width, centres, radius, spacing, inside):
    """Round spots: gathered by the nucleus, scattered in the cell, or foci within nuclei."""
    count = int(rng.integers(10, 45))
    place = rng.choice(["hub", "cell", "foci"])
    reach = {"hub": 0.45 * radius, "cell": 0.33 * spacing, "foci": 0.4 * radius}[place]
    middle = centres if place == "foci" else centres + rng.normal(0, 0.7 * radius, centres.shape)
    points = np.repeat(middle, count, 0) + rng.normal(0, reach, (len(centres) * count, 2))
    size = max(0.8, radius * rng.uniform(0.04, 0.1))
    level = np.exp(rng.normal(-0.2, 0.4, len(points)))
    image = np.minimum(dots(height, width, points, size, level), 1.5)
    return image * (inside if place == "foci" else 1 - 0.8 * inside)
