"""Styles of flat colour and line: contour maps, marbled paper and halftone print."""

import numpy as np
from styles_drawing import (
    TAU,
    below,
    cloud_noise,
    colour,
    finish,
    grid,
    hsv,
    jitter,
    lattice_points,
    mix,
    nearest,
    ramp,
    rotate,
    shade,
    smooth_noise,
    smoothstep,
    unit,
    unit_range,
)

MAPS = [
    (colour("7fb069", "b8d08d", "efe6b8", "e0b878", "b98152"), colour("5b3a1e")),
    (colour("f4efe3", "efe4cc", "e7d8b5"), colour("a5673f")),
    (colour("10243f", "16345a", "1e4a7c"), colour("bfe3ff")),
    (colour("0b1d1f", "12393a", "1c5c55"), colour("7ff0c0")),
    (colour("08306b", "2b7bba", "8fc7e3", "e8f3f5"), colour("062048")),
    (colour("2a1033", "7a1f5c", "d1495b", "f6a55f", "fbe7a1"), colour("fff4df")),
    (colour("fafafa", "f0f0ee"), colour("22262b")),
    (colour("264653", "2a9d8f", "e9c46a", "f4a261", "e76f51"), colour("fdf6e3")),
]

PAPERS = [
    colour("12355b", "2a6f97", "e9d8a6", "f4f1e6", "a63d40"),
    colour("7a1e2c", "c8553d", "f2d5a0", "1f3c3d", "f7efe0"),
    colour("0d3b36", "2f7d6b", "9cc5a1", "f3e9d2", "d08c3c"),
    colour("2b2d42", "6d6f87", "d9dbe3", "f5f3ef", "c9a24b"),
    colour("4a1942", "a13d63", "f0a6a0", "fbe9d8", "3b5b8c"),
    colour("0b132b", "1c7293", "9be0dc", "f7f4e9", "e4572e"),
    colour("5a3a1b", "a8722f", "e6c27a", "fbf3dc", "31572c"),
]


def contours(rng, height, width):
    """Topographic lines at equal heights over a tinted relief, every fifth line heavier."""
    u = unit(height, width)
    tints, ink = MAPS[rng.integers(len(MAPS))]
    tints, ink = jitter(rng, tints, 0.03), jitter(rng, ink, 0.03)
    scale = rng.uniform(45, 95) * u
    relief = cloud_noise(rng, height, width, scale, 3, gain=rng.uniform(0.15, 0.4))
    if rng.random() < 0.35:
        points = lattice_points(rng, height, width, rng.uniform(50, 85) * u, 0.12)
        y, x = grid(height, width)
        relief = 0.45 * relief - nearest(points, y, x, 1)[0][..., 0] / (24 * u)
    gy, gx = np.gradient(relief)
    slope = np.hypot(gy, gx) + 1e-6
    interval = float(np.median(slope[::2, ::2])) * rng.uniform(6, 10.5) * u
    level = relief / interval
    step = np.floor(level)
    tone = unit_range(relief)
    low, high = step.min(), step.max()
    flat = np.clip((step - low) / max(high - low, 1), 0, 1)
    picture = ramp(flat if rng.random() < 0.65 else tone, tints)
    if rng.random() < 0.5:
        picture = shade(picture, 1 + np.clip((gx - gy) / interval * u * 1.6, -0.18, 0.14))
    line = np.abs(level - np.round(level)) * interval / slope
    index = np.round(level) % 5 == 0
    thin = rng.uniform(0.5, 0.85) * u**0.7
    weight = np.where(index, thin * 2.1, thin)
    picture = mix(picture, ink, below(line, weight, 0.6) * np.where(index, 0.95, 0.8))
    return finish(picture)


def marbling(rng, height, width):
    """Marbled paper: bands and drops of paint drawn into feathers by combs, waved and swirled."""
    u = unit(height, width)
    paints = jitter(rng, PAPERS[rng.integers(len(PAPERS))], 0.03)
    paints = paints[rng.permutation(len(paints))]
    y, x = grid(height, width)
    v, w = rotate(y, x, rng.uniform(0, TAU))
    pitch = rng.uniform(15, 34) * u
    narrow = rng.uniform(5.5, 10) * u
    kind = rng.integers(4)
    if kind in (0, 1):  # nonpareil: a fine comb across the bands, then waves (a bouquet) over it
        if kind == 1:
            wave = rng.uniform(45, 90) * u
            w = w + wave * rng.uniform(0.12, 0.22) * np.sin(v * TAU / wave)
            v = v + wave * 0.1 * np.sin(w * TAU / (wave * 1.5))
        tooth = np.abs((w / pitch) % 1 - 0.5) * 2
        comb = pitch * rng.uniform(0.8, 1.5) * np.exp(-3.2 * tooth)
        v = v + comb + 3 * u * smooth_noise(rng, height, width, 40 * u)
        alternate = np.abs((w / pitch + 0.5) % 1 - 0.5) * 2
        v = v - pitch * rng.uniform(0, 0.9) * np.exp(-3.2 * alternate)
        band = v / narrow
    elif kind == 2:  # swirls: the paint is turned around points on a lattice
        points = lattice_points(rng, height, width, rng.uniform(48, 80) * u, 0.18)
        distance, index = nearest(points, y, x, 1)
        radius, site = distance[..., 0], index[..., 0]
        dy, dx = y - points[site][..., 0], x - points[site][..., 1]
        turn = rng.uniform(4, 7) * np.exp(-((radius / (15 * u)) ** 1.3)) * np.where(site % 2 == 0, 1, -1)
        c, s = np.cos(turn), np.sin(turn)
        moved_y, moved_x = dy * c + dx * s + points[site][..., 0], dx * c - dy * s + points[site][..., 1]
        v, w = rotate(moved_y, moved_x, rng.uniform(0, TAU))
        v = v + 7 * u * np.sin(w / (17 * u)) + 4 * u * smooth_noise(rng, height, width, 45 * u)
        band = v / narrow
    else:  # stone: drops in drops
        points = lattice_points(rng, height, width, rng.uniform(38, 60) * u, 0.3)
        wy = y + 6 * u * cloud_noise(rng, height, width, 34 * u, 2)
        wx = x + 6 * u * cloud_noise(rng, height, width, 34 * u, 2)
        distance, index = nearest(points, wy, wx, 2)
        sizes = rng.uniform(0.85, 1.2, len(points))
        soft = np.exp(-distance / (5 * u))
        band = (distance * soft * sizes[index]).sum(-1) / soft.sum(-1) / narrow
    count = len(paints)
    edges = np.cumsum(rng.uniform(0.5, 1.5, count))
    phase = (band / count % 1) * edges[-1]
    gy, gx = np.gradient(band)
    rate = np.minimum(np.hypot(gy, gx) * edges[-1] / count, 1.2) + 1e-4
    picture = np.broadcast_to(paints[0], (height, width, 3))
    for k in range(1, count):
        low, high = edges[k - 1], edges[k]
        inside = below(np.abs(phase - (low + high) / 2), (high - low) / 2, np.maximum(rate * 0.6, 1e-3))
        picture = mix(picture, paints[k], inside)
    if rng.random() < 0.5:
        vein = np.abs(phase - edges[0]) / rate
        picture = mix(picture, paints.min(0) * 0.5, below(vein, 0.7 * u, 0.6) * 0.7)
    return finish(shade(picture, 1 + 0.025 * cloud_noise(rng, height, width, 5 * u, 2)))


def _halftone_subject(rng, height, width, u):
    y, x = grid(height, width)
    kind = rng.integers(3)
    if kind == 0:
        points = lattice_points(rng, height, width, rng.uniform(55, 95) * u, 0.15)
        radius, site = (a[..., 0] for a in nearest(points, y, x, 1))
        ball = np.clip(1 - radius / (rng.uniform(24, 38) * u), 0, 1)
        hues = (rng.random() + rng.integers(2, 4, 5) * 0.17 * np.arange(5)) % 1
        inside = smoothstep(0, 0.1, ball)
        body = hsv(hues[site % 2], 0.85, 0.55 + 0.45 * ball)
        return mix(hsv(hues[2], 0.5, 1 - 0.25 * y / height), body, inside)
    if kind == 1:
        v, w = rotate(y, x, rng.uniform(0, TAU))
        wave = 0.5 + 0.5 * np.sin(v / (rng.uniform(12, 24) * u) + 1.6 * np.sin(w / (rng.uniform(16, 34) * u)))
        ends = hsv(rng.random() + np.array([0, 0.12, 0.5]), [0.9, 0.8, 0.35], [0.5, 0.95, 1])
        return ramp(wave, ends)
    field = unit_range(cloud_noise(rng, height, width, 70 * u, 2, 0.3))
    hue = rng.random()
    return ramp(field, hsv(hue + np.array([0, 0.08, 0.45, 0.55]), [0.9, 0.7, 0.5, 0.15], [0.35, 0.9, 1.0, 1.0]))


def halftone(rng, height, width):
    """Printed dots: turned cyan, magenta, yellow and black screens, or two inks of a poster."""
    u = unit(height, width)
    subject = np.clip(_halftone_subject(rng, height, width, u), 0, 1)
    y, x = grid(height, width)
    pitch = rng.uniform(5.5, 10) * u
    paper = jitter(rng, colour("f6f0e2"), 0.02)
    if rng.random() < 0.65:
        inks = colour("0aa0d8", "e0218a", "fbe122", "1c1b1f")
        black = 0.8 * (1 - subject.max(-1))
        dense = [np.clip(1 - subject[..., k] - black, 0, 1) for k in range(3)] + [black]
        angles = np.deg2rad([15, 75, 0, 45])
    else:
        pair = [("e4332c", "1b4f9c"), ("ef5da8", "1f8a70"), ("f28c28", "27408b"), ("d7263d", "1b1b1e")]
        inks = colour(*pair[rng.integers(4)])
        dark = 1 - subject @ np.array([0.3, 0.55, 0.15], np.float32)
        dense = [np.clip(1.6 * dark - 0.1, 0, 1), np.clip(1.5 * dark - 0.55, 0, 1)]
        angles = np.deg2rad([15, 60])
    turn = rng.uniform(-0.3, 0.3)
    picture = np.broadcast_to(paper, (height, width, 3))
    for ink, amount, angle in zip(inks, dense, angles, strict=True):
        v, w = rotate(y, x, angle + turn)
        v, w = (v / pitch) % 1 - 0.5, (w / pitch) % 1 - 0.5
        radius = np.sqrt(np.clip(amount, 0, 1) * 0.98 / np.pi) * pitch * 1.08
        radius = np.where(amount < 0.03, -1, radius)
        cover = below(np.hypot(v, w) * pitch, radius, 0.65)
        picture = picture * (1 - (1 - ink) * cover[..., None] * 0.94)
    return finish(picture)
