"""Transmission electron micrographs: grey, membranes dark."""

import numpy as np
from drawing import (
    Canvas,
    cover,
    dots,
    ellipse,
    finish,
    inside_distance,
    lens,
    line,
    noise,
    poisson_points,
    thin_points,
    turned,
    wobbles,
)


def _cytoplasm(rng, height, width, base):
    """Grey ground with a mottled texture and ribosome dots, (H, W)."""
    image = np.full((height, width), base, np.float32)
    image += 0.025 * noise(rng, height, width, 30, 2) + 0.02 * noise(rng, height, width, 5)
    points = poisson_points(rng, height, width, rng.uniform(6, 10), jitter=0.45)
    points = points[rng.random(len(points)) < rng.uniform(0.5, 0.9)]
    return image - rng.uniform(0.12, 0.2) * dots(height, width, points, 0.9, rng.uniform(0.6, 1.0, len(points)))


def _shade(image, where, value, alpha):
    image[where] += (value - image[where]) * alpha


def _double_membrane(image, where, distance, thickness, gap):
    """Two dark lines along the edge of a shape whose signed distance is given."""
    for offset in (0.0, gap):
        _shade(image, where, 0.18, 0.85 * line(distance - offset, thickness))


def _chloroplast(rng, image, y, x, angle, half_length, half_width):
    """One lens-shaped chloroplast: envelope, stroma, grana of stacked thylakoids, lamellae, starch, plastoglobuli."""
    height, width = image.shape
    window = Canvas(height, width).window(y, x, half_length * 1.15)
    if window is None:
        return
    where, dy, dx = window
    bend = rng.uniform(-0.25, 0.25)
    distance = lens(dy, dx, angle, half_length, half_width, bend)
    inside = cover(distance, 1.0)
    stroma = rng.uniform(0.5, 0.6)
    _shade(image, where, stroma + 0.02 * noise(rng, *distance.shape, 4), inside)
    along, across = turned(dy, dx, angle)
    across = across - bend * half_width * (1 - np.clip(along / half_length, -1, 1) ** 2)
    lines = np.zeros(distance.shape, np.float32)
    deep = cover(distance - 0.12 * half_width, 2.0)

    # stroma lamellae: long thin sheets through the whole plastid
    pitch = rng.uniform(5.5, 8.0)
    wave = 1.5 * noise(rng, *distance.shape, half_width)
    lamellae = np.abs(((across + wave) / pitch + 0.5) % 1 - 0.5) * pitch
    lines = np.maximum(lines, 0.45 * cover(1.0 - lamellae, 0.7) * deep)

    # starch grains, kept free of thylakoids
    starch = np.zeros(distance.shape, np.float32)
    for _ in range(rng.integers(0, 3)):
        cy, cx = rng.uniform(-0.3, 0.3) * half_width, rng.uniform(-0.5, 0.5) * half_length
        grain = ellipse(across - cy, along - cx, 0.0, half_width * rng.uniform(0.4, 0.7), half_width * 0.28)
        starch = np.maximum(starch, cover(grain, 1.2) * deep)

    # grana: short dense stacks of parallel discs, all with the same spacing
    disc, stack_length = rng.uniform(3.0, 3.8), rng.uniform(14, 24)
    for cx in np.arange(-0.82 * half_length, 0.82 * half_length, stack_length * rng.uniform(1.25, 1.5)):
        room = half_width * (1 - abs(cx / half_length) ** 2.4) * 0.8
        if room < 2.5 * disc:
            continue
        for _ in range(rng.integers(1, 3)):
            cy = rng.uniform(-0.55, 0.55) * room
            tall = min(rng.uniform(3, 8) * disc, room - abs(cy) + disc)
            box = cover(tall / 2 - np.abs(across + wave - cy), 0.8)
            box = box * cover(stack_length / 2 * rng.uniform(0.8, 1.1) - np.abs(along - cx), 0.8)
            stripes = 0.5 + 0.5 * np.cos(2 * np.pi * (across + wave - cy) / disc)
            lines = np.maximum(lines, box * (0.35 + 0.65 * stripes) * deep)
    _shade(image, where, 0.16, 0.9 * lines * (1 - starch))
    _shade(image, where, rng.uniform(0.86, 0.95), starch)
    globuli = np.zeros(distance.shape, np.float32)
    for _ in range(rng.integers(3, 9)):
        cy, cx = rng.uniform(-0.6, 0.6) * half_width, rng.uniform(-0.8, 0.8) * half_length
        globuli = np.maximum(globuli, cover(rng.uniform(2.0, 4.0) - np.hypot(across - cy, along - cx), 0.8))
    _shade(image, where, 0.08, globuli * deep * (1 - starch))
    _double_membrane(image, where, distance, 1.6, 4.0)


def tem_chloroplast(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Lens-shaped chloroplasts with stacked thylakoids, starch and plastoglobuli, beside vacuoles and ribosomes."""
    image = _cytoplasm(rng, height, width, rng.uniform(0.68, 0.8))
    half_length = rng.uniform(70, 130) * (min(height, width) / 256) ** 0.7
    angle = rng.uniform(0, np.pi)
    centres = poisson_points(rng, height, width, half_length * 1.5, margin=half_length * 0.3, jitter=0.22)
    vacuole = noise(rng, height, width, half_length) - rng.uniform(0.9, 1.5)
    edge = inside_distance(vacuole > 0)
    everywhere = (slice(None), slice(None))
    for y, x in thin_points(centres, half_length * 0.95):
        _chloroplast(
            rng, image, y, x, angle + rng.normal(0, 0.35), half_length * rng.uniform(0.8, 1.05),
            half_length * rng.uniform(0.34, 0.46),
        )  # fmt: skip
    _shade(image, everywhere, 0.9, cover(edge, 1.5))
    _shade(image, everywhere, 0.2, 0.8 * line(edge, 1.5))
    return finish(rng, image, rng.uniform(0.006, 0.014), 0.4)


def tem_organelles(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Mitochondria with cristae, vesicles, rough endoplasmic reticulum and ribosomes."""
    image = _cytoplasm(rng, height, width, rng.uniform(0.66, 0.78))
    canvas = Canvas(height, width)
    size = rng.uniform(20, 34) * (min(height, width) / 256) ** 0.5
    if rng.random() < 0.7:
        # rough ER: parallel sheets that follow one smooth field
        field = noise(rng, height, width, 90) * rng.uniform(18, 30)
        sheets = np.abs((field / 9 + 0.5) % 1 - 0.5) * 9
        region = cover(noise(rng, height, width, 70) * 20 - rng.uniform(4, 14), 3)
        _shade(image, (slice(None), slice(None)), 0.2, 0.75 * region * line(sheets, 1.5))
    for y, x in thin_points(poisson_points(rng, height, width, size * 2.6, margin=size, jitter=0.4), size * 2.1):
        window = canvas.window(y, x, size * 1.7)
        if window is None:
            continue
        where, dy, dx = window
        angle = rng.uniform(0, np.pi)
        if rng.random() < 0.68:
            long = size * rng.uniform(1.0, 1.5)
            distance = ellipse(dy, dx, angle, long, size * rng.uniform(0.55, 0.75), wobbles(rng, 0.06))
            along, _ = turned(dy, dx, angle)
            _shade(image, where, rng.uniform(0.42, 0.52), cover(distance))
            pitch = rng.uniform(5, 7)
            ripple = 1.5 * noise(rng, *distance.shape, 12)
            cristae = line(np.abs(((along + ripple) / pitch + 0.5) % 1 - 0.5) * pitch, 1.6)
            reach = cover(noise(rng, *distance.shape, 10) * 4 + 3.5, 2.0) * cover(distance - 3.5)
            _shade(image, where, 0.82, 0.75 * cristae * reach)
            _double_membrane(image, where, distance, 1.4, 3.2)
        else:
            distance = ellipse(dy, dx, angle, size * 0.5, size * 0.45, wobbles(rng, 0.05))
            _shade(image, where, rng.choice([0.2, 0.88, 0.35]), cover(distance))
            _shade(image, where, 0.15, 0.8 * line(distance, 1.5))
    return finish(rng, image, rng.uniform(0.006, 0.014), 0.4)


def golgi(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Golgi stacks: curved parallel cisternae with swollen ends and vesicles budding off."""
    image = _cytoplasm(rng, height, width, rng.uniform(0.68, 0.8))
    canvas = Canvas(height, width)
    size = rng.uniform(34, 52) * (min(height, width) / 256) ** 0.6
    centres = thin_points(poisson_points(rng, height, width, size * 2.1, margin=size * 0.4, jitter=0.3), size * 1.6)
    for y, x in centres:
        window = canvas.window(y, x, size * 1.5)
        if window is None:
            continue
        where, dy, dx = window
        along, across = turned(dy, dx, rng.uniform(0, 2 * np.pi))
        bow = rng.uniform(0.35, 0.8) * size * (along / size) ** 2
        count, pitch = rng.integers(4, 8), rng.uniform(6.5, 8.5)
        for i in range(count):
            offset = (i - count / 2) * pitch
            reach = size * (0.95 - 0.08 * abs(i - count / 2)) * rng.uniform(0.85, 1.05)
            swollen = 1.5 + 1.8 * np.clip(np.abs(along) / reach, 0, 1) ** 6
            end = reach - np.abs(along)
            distance = np.minimum(swollen - np.abs(across - offset - bow + 0.8 * noise(rng, *bow.shape, 25)), end)
            _shade(image, where, 0.86, cover(distance, 0.8))
            _shade(image, where, 0.2, 0.85 * line(distance, 1.5))
        for _ in range(rng.integers(8, 18)):
            side = rng.choice([-1, 1])
            cx, cy = side * size * rng.uniform(0.8, 1.25), rng.uniform(-0.6, 0.9) * size
            ball = rng.uniform(2.5, 4.5) - np.hypot(along - cx, across - cy)
            _shade(image, where, rng.choice([0.85, 0.35]), cover(ball, 0.8))
            _shade(image, where, 0.2, 0.8 * line(ball, 1.3))
    return finish(rng, image, rng.uniform(0.006, 0.012), 0.4)
