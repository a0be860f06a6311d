"""Styles of repeated ornament: blue-and-white porcelain and murals with rows of dots."""

import numpy as np
from styles_drawing import (
    TAU,
    below,
    cell_edges,
    cloud_noise,
    colour,
    finish,
    grid,
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
)

COBALT = [
    colour("dfe9f2", "9db9da", "4d78b8", "1f4493", "10245e"),
    colour("e4ecef", "a8c3d8", "5c8cb8", "23588f", "123360"),
    colour("e3e6f3", "a9b2de", "5f6fc0", "2b3a9c", "161e63"),
    colour("e8ece6", "b0c0cc", "6a86a5", "38547f", "1a2c52"),
]

FRESCO = [
    (colour("d9a566", "c98f4f"), colour("9c4a2a", "e7c995", "6b2d1d", "f0dfb8"), colour("241a15")),
    (colour("e3c798", "d4b27c"), colour("b4572f", "8a3d22", "5d7064", "f3e5c3"), colour("2a201b")),
    (colour("c2724a", "ad5c38"), colour("e6c08a", "7a2f1f", "f2dfb5", "3f5a5c"), colour("1f1512")),
    (colour("e8d9bd", "d8c29c"), colour("a63f2a", "d39b3f", "49657a", "7d5a3a"), colour("1d1a1a")),
    (colour("caa27a", "b98b60"), colour("efe0c2", "8f3d2a", "51331f", "d97f45"), colour("18120f")),
]


def _tiles(y, x, size_y, size_x, shift=0.0):
    """Tiles of a running lattice: row and column numbers and coordinates from the tile's centre."""
    row = np.floor(y / size_y)
    moved = x + shift * size_x * (row % 2)
    column = np.floor(moved / size_x)
    return row, column, y - (row + 0.5) * size_y, moved - (column + 0.5) * size_x


def _blossom(dy, dx, reach, petals, pen):
    """Ink of an outlined flower: graded wash in the petals, a dotted heart."""
    r, theta = np.hypot(dy, dx), np.arctan2(dy, dx)
    lobe = np.abs(np.cos(theta * petals / 2))
    edge = reach * (0.62 + 0.38 * lobe**0.7)
    wash = smoothstep(reach * 0.25, reach, r) * 0.5 + 0.18
    vein = below(np.abs(np.sin(theta * petals / 2)) * r, 0.5 * pen, 0.6) * (r > reach * 0.3)
    ink = below(r, edge, 0.7) * np.maximum(wash, 0.6 * vein)
    ink = np.maximum(ink, below(np.abs(r - edge), pen, 0.6))
    split = np.abs(np.cos(theta * petals / 2)) * r * 2 / petals
    ink = np.maximum(ink, below(split, pen * 0.7, 0.6) * (r < edge) * (r > reach * 0.26))
    heart = reach * 0.26
    ink = np.where(r < heart, 0.06, ink)
    ink = np.maximum(ink, below(np.abs(r - heart), pen * 0.8, 0.6))
    return np.maximum(ink, below(r, heart * 0.45, 0.6) * 0.95)


def _scroll(dy, dx, reach, turns, pen, flip):
    """Ink of a spiral tendril that thickens outwards, with leaves along its outer turn."""
    r, theta = np.hypot(dy, dx), np.arctan2(dy, dx * flip)
    pitch = reach / turns
    phase = r / pitch - theta / TAU
    gap = np.abs(phase - np.round(phase)) * pitch
    swell = pen * (0.7 + 0.9 * r / reach)
    ink = below(gap, swell, 0.6) * below(r, reach, 0.8)
    leaf = np.abs(r - reach * 0.98)
    bead = np.abs(np.sin(theta * 4.5)) * 4.2 * pen
    return np.maximum(ink, below(leaf, bead, 0.7) * (0.55 + 0.4 * below(np.abs(leaf - bead), pen, 0.6)))


def _scales(y, x, size, pen):
    """Ink of overlapping scales, each with concentric arcs (waves or fish scales)."""
    step = size / 2
    ink = np.zeros_like(y)
    for k in range(2, -1, -1):
        row = np.floor(y / step) + k
        half = 0.5 * (row % 2)
        cx = (np.round(x / size - half) + half) * size
        r = np.hypot(y - row * step, x - cx)
        inside = r < size / 2
        arcs = below(np.abs(r / size * 2 - np.array([0.36, 0.66, 0.97])[:, None, None]).min(0) * size / 2, pen, 0.6)
        wash = 0.45 * (1 - smoothstep(0, size / 2, r)) + 0.1
        ink = np.where(inside, np.maximum(arcs, wash), ink)
    return ink


def _checks(y, x, size, pen):
    """Ink of a diagonal trellis whose meshes hold dots and alternate in tone."""
    v, w = rotate(y, x, np.pi / 4)
    row, column, dv, dw = _tiles(v, w, size, size)
    lines = below(size / 2 - np.maximum(np.abs(dv), np.abs(dw)), pen, 0.6)
    ink = np.where((row + column) % 2 == 0, 0.42, 0.04)
    dot = below(np.hypot(dv, dw), size * 0.17, 0.6)
    ink = np.where((row + column) % 2 == 0, ink * (1 - dot), np.maximum(ink, dot * 0.95))
    return np.maximum(ink, lines * 0.9)


def porcelain(rng, height, width):
    """White glaze painted in cobalt: blossoms, spiral scrolls, scales and trellis checks, perhaps crackle."""
    u = unit(height, width)
    blues = jitter(rng, COBALT[rng.integers(len(COBALT))], 0.02)
    y, x = grid(height, width)
    y, x = y + rng.uniform(0, 400), x + rng.uniform(0, 400)
    y = y + 1.1 * u * smooth_noise(rng, height, width, 24 * u)
    x = x + 1.1 * u * smooth_noise(rng, height, width, 24 * u)
    size, pen = rng.uniform(40, 66) * u, rng.uniform(0.7, 1.15) * max(u, 0.7)
    petals, turns = int(rng.integers(5, 10)), rng.uniform(2.4, 3.6)
    kind = rng.integers(5)
    if kind == 0:  # scrolls and blossoms in turn
        row, column, dy, dx = _tiles(y, x, size, size, rng.choice([0, 0.5]))
        odd = (row + column) % 2 == 0
        flip = np.where(column % 2 == 0, 1, -1)
        ink = np.where(odd, _blossom(dy, dx, size * 0.42, petals, pen), _scroll(dy, dx, size * 0.42, turns, pen, flip))
        corner = np.hypot(size / 2 - np.abs(dy), size / 2 - np.abs(dx))
        ink = np.maximum(ink, below(np.abs(corner - size * 0.1), pen, 0.6) + below(corner, size * 0.04, 0.6))
    elif kind == 1:  # medallions on a trellis ground
        row, column, dy, dx = _tiles(y, x, size * 1.1, size * 1.1, 0.5)
        r = np.hypot(dy, dx)
        reach = size * 0.46
        ink = np.where(r < reach, _blossom(dy, dx, reach * 0.84, petals, pen), _checks(y, x, size * 0.2, pen * 0.7))
        ink = np.maximum(ink * ~((r > reach - 3 * pen) & (r < reach + 2 * pen)), below(np.abs(r - reach), pen, 0.6))
    elif kind == 2:  # scales
        ink = _scales(y, x, size * rng.uniform(0.6, 0.9), pen)
        row, column, dy, dx = _tiles(y, x, size * 1.8, size * 1.8, 0.5)
        if rng.random() < 0.6:
            near = np.hypot(dy, dx)
            flower = _blossom(dy, dx, size * 0.5, petals, pen)
            ink = np.where(near < size * 0.5 + 2 * pen, flower, ink)
    elif kind == 3:  # bands
        ink = np.zeros_like(y)
        bands = rng.permutation(4)
        tall = size * 0.8
        row, column, dy, dx = _tiles(y, x, tall, tall)
        flip = np.where(column % 2 == 0, 1, -1)
        drawn = [
            _blossom(dy, dx, tall * 0.4, petals, pen),
            _scroll(dy, dx, tall * 0.37, turns, pen, flip),
            _scales(y, x, tall * 0.5, pen * 0.8),
            _checks(y, x, tall * 0.3, pen * 0.8),
        ]
        for k, band in enumerate(bands):
            ink = np.where(row % 4 == k, drawn[band], ink)
        gap = tall / 2 - np.abs(dy)
        ink = np.where(gap < 4 * pen, 0, ink)
        ink = np.maximum(
            ink, below(np.abs(gap - 0.2 * pen), 1.2 * pen, 0.6) + below(np.abs(gap - 4 * pen), pen * 0.7, 0.5)
        )
    else:  # a winding stem with a scroll or a blossom in each bend
        tall = size * 0.92
        row = np.floor(y / tall)
        dy = y - (row + 0.5) * tall
        moved = x + size * (row % 2)
        column = np.floor(moved / size)
        dx = moved - (column + 0.5) * size
        side = np.where(column % 2 == 0, 1.0, -1.0)
        stem = (dy - side * 0.34 * tall * np.cos(dx / size * np.pi)) / np.hypot(1, 1.07 * np.sin(dx / size * np.pi))
        ink = below(np.abs(stem), pen * 1.3, 0.6)
        leaf = np.abs(np.sin(x / size * 2.5 * TAU)) * 2.6 * pen
        ink = np.maximum(ink, below(np.abs(np.abs(stem) - leaf * 1.2), leaf * 0.8, 0.7) * 0.6)
        bend = dy + side * 0.1 * tall
        curl = _scroll(bend, dx, size * 0.3, turns * 0.85, pen, side)
        bloom = _blossom(bend, dx, size * 0.33, petals, pen)
        mark = np.where((column + row) % 3 == 0, curl, bloom)
        ink = np.where(np.hypot(bend, dx) < size * 0.35, mark, ink)
    pool = 1 + 0.16 * cloud_noise(rng, height, width, 7 * u, 3, 0.6) + 0.12 * smooth_noise(rng, height, width, 60 * u)
    ink = np.clip(ink, 0, 1)
    tone = np.clip(ink * pool, 0, 1) * (0.92 + 0.08 * ink)
    glaze = jitter(rng, colour("f2f5f4"), 0.015)
    picture = ramp(tone, [glaze, *blues[1:]])
    sheen = 1 + 0.03 * smooth_noise(rng, height, width, 110 * u)
    if rng.random() < 0.4:
        cracks = lattice_points(rng, height, width, rng.uniform(16, 30) * u, 0.45)
        gy, gx = grid(height, width)
        d, i = nearest(cracks, gy + 2 * u * smooth_noise(rng, height, width, 12 * u), gx, 2)
        picture = mix(picture, colour("8b8f94"), below(cell_edges(cracks, d, i), 0.35, 0.5) * 0.35)
    return finish(shade(picture, sheen))


def _band(kind, dy, dx, tall, size, pen):
    """One register of a mural: coverage of its coloured shapes and of its black outline."""
    r, theta = np.hypot(dy, dx), np.arctan2(dy, dx)
    if kind == 0:  # ovals with an eye
        d = (np.hypot(dy / (tall * 0.34), dx / (size * 0.36)) - 1) * tall * 0.3
        return below(d), np.maximum(below(np.abs(d), pen), below(r, tall * 0.1))
    if kind == 1:  # zigzag
        d = dy - (np.abs(dx) / size * 2 - 0.5) * tall * 0.6
        return below(np.abs(d), tall * 0.12), below(np.abs(np.abs(d) - tall * 0.12), pen * 0.8)
    if kind == 2:  # spirals
        gap = tall * 0.13
        phase = r / gap - theta / TAU
        d = np.abs(phase - np.round(phase)) * gap
        return below(r, tall * 0.4), below(d, pen) * below(r, tall * 0.4)
    if kind == 3:  # arches
        d = np.maximum(np.where(dy < 0, r, np.abs(dx)) - size * 0.34, dy - tall * 0.4)
        ring = np.abs(d + size * 0.14)
        return below(d), np.maximum(below(np.abs(d), pen), below(ring, pen) * (d < 0))
    if kind == 4:  # leaping fish
        body = np.abs(dy) - tall * 0.26 * np.sqrt(np.clip(1 - (dx / (size * 0.33)) ** 2, 0, 1))
        tail = np.maximum(np.abs(dy) - (dx - size * 0.22) * 0.9, np.abs(dx - size * 0.33) - size * 0.11)
        d = np.minimum(np.where(np.abs(dx) < size * 0.33, body, 9.0), tail)
        eye = below(np.hypot(dy + tall * 0.05, dx + size * 0.2), tall * 0.055)
        ribs = (
            below(np.abs(((dx / size * 9) % 1) - 0.5) * size / 9, pen * 0.6) * (d < -pen) * (np.abs(dx) < size * 0.15)
        )
        return below(d), np.maximum(np.maximum(below(np.abs(d), pen), eye), ribs)
    petal = r - tall * (0.24 + 0.15 * np.abs(np.cos(theta * 2.5)))  # flowers
    return below(petal), np.maximum(below(np.abs(petal), pen), below(r, tall * 0.11))


def mural(rng, height, width):
    """Fresco on cracked ochre plaster: registers of outlined shapes between rows of black dots, worn away in places."""
    u = unit(height, width)
    plaster, paints, black = FRESCO[rng.integers(len(FRESCO))]
    plaster, paints = jitter(rng, plaster, 0.03), jitter(rng, paints, 0.04)
    y, x = grid(height, width)
    y, x = y + rng.uniform(0, 400), x + rng.uniform(0, 400)
    y = y + 1.6 * u * smooth_noise(rng, height, width, 30 * u)
    x = x + 1.6 * u * smooth_noise(rng, height, width, 30 * u)
    picture = ramp(0.5 + 0.28 * cloud_noise(rng, height, width, 50 * u, 5, 0.6), plaster)
    tall, size = rng.uniform(30, 46) * u, rng.uniform(34, 56) * u
    pen, dot = rng.uniform(0.9, 1.5) * max(u, 0.7), rng.uniform(1.7, 2.6) * u
    strip = dot * rng.uniform(4, 6.5)
    period = tall + strip
    row = np.floor(y / period)
    inside = y - row * period
    column = np.floor(x / size + 0.5 * (row % 2))
    dy, dx = inside - strip - tall / 2, x - (column + 0.5 - 0.5 * (row % 2)) * size
    order, tints = rng.permutation(6)[: int(rng.integers(1, 4))], rng.permutation(len(paints))
    wear = cloud_noise(rng, height, width, 22 * u, 4, 0.65)
    pigment = np.clip(0.86 - 0.2 * np.clip(wear, -1, 2), 0, 1)
    ink = np.zeros((height, width), np.float32)
    washes = [paints[tints[k % len(tints)]] for k in range(4)]
    if rng.random() < 0.7:
        picture = mix(picture, washes[3], (row % 2 == 0) * below(np.abs(dy), tall / 2) * 0.55 * pigment)
    for k, kind in enumerate(order):
        here = row % len(order) == k
        fill, line = _band(kind, dy, dx, tall, size, pen)
        tint = np.where((column % 2 == 0)[..., None], washes[0], washes[1 + k % 2])
        picture = mix(picture, tint, fill * here * pigment * 0.9)
        ink = np.maximum(ink, line * here)
    rows = 2 if strip > dot * 5.4 else 1
    for k in range(rows):
        gap = dot * 3.1
        sy = inside - strip * (k + 0.5) / rows
        sx = (x / gap + 0.5 * k) % 1 - 0.5
        ink = np.maximum(ink, below(np.hypot(sy, sx * gap), dot))
    edge = np.minimum(np.abs(inside - strip), np.minimum(inside, period - inside))
    ink = np.maximum(ink, below(edge, pen * 0.8))
    if rng.random() < 0.5:  # dots around the shapes too
        field = np.hypot(np.abs(dx) - size * 0.5, np.abs(dy) - tall * 0.36)
        ink = np.maximum(ink, below(field, dot * 0.8))
    picture = mix(picture, black, ink * np.clip(0.95 - 0.22 * np.clip(wear, 0, 2), 0, 1))
    lost = smoothstep(1.25, 1.45, wear)
    picture = mix(picture, plaster[0] * 0.5 + 0.47, lost * 0.85)
    gy, gx = grid(height, width)
    cracks = lattice_points(rng, height, width, rng.uniform(36, 62) * u, 0.45)
    wy, wx = (4 * u * cloud_noise(rng, height, width, 22 * u, 3, 0.6) for _ in range(2))
    d, i = nearest(cracks, gy + wy, gx + wx, 2)
    seam = cell_edges(cracks, d, i)
    shown = smoothstep(-0.4, 0.3, smooth_noise(rng, height, width, 60 * u))
    picture = mix(picture, black * 1.4, below(seam, 0.5 * u, 0.55) * 0.75 * shown)
    picture = mix(picture, plaster[0] * 0.4 + 0.6, below(np.abs(seam - 1.3 * u), 0.5 * u) * 0.3 * shown)
    return finish(shade(picture, 1 + 0.045 * cloud_noise(rng, height, width, 4 * u, 3, 0.7)))
