"""Light micrographs: stained tissue and plant cells."""

import numpy as np
from drawing import (
    Canvas,
    blend,
    cover,
    ellipse,
    finish,
    jitter,
    lens,
    line,
    mix,
    noise,
    poisson_points,
    smoothstep,
    stain,
    thin_points,
    walls,
    warp_offsets,
    wobbles,
)

# what haematoxylin-like and eosin- or DAB-like stains let through
STAINS = [
    ((0.36, 0.28, 0.62), (0.93, 0.62, 0.76)),
    ((0.34, 0.40, 0.66), (0.72, 0.50, 0.30)),
    ((0.24, 0.42, 0.62), (0.86, 0.80, 0.86)),
    ((0.42, 0.24, 0.52), (0.96, 0.72, 0.70)),
    ((0.20, 0.40, 0.44), (0.84, 0.45, 0.42)),
]


def tissue(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Stained tissue: nuclei with chromatin, cytoplasm, stroma fibres, and glands with a lumen."""
    nuclear, counter = (jitter(rng, c, 0.05) for c in STAINS[rng.integers(len(STAINS))])
    radius = rng.uniform(5.5, 9.5) * (min(height, width) / 256) ** 0.4
    spacing = radius * rng.uniform(2.5, 3.3)
    gland = noise(rng, height, width, spacing * rng.uniform(3.5, 6))
    lumen = smoothstep(gland, 1.1, 1.35)
    ring = smoothstep(gland, 0.2, 0.5) * (1 - lumen)
    flow = noise(rng, height, width, 70) * 26 + noise(rng, height, width, 14) * 1.5
    fibres = 0.5 + 0.5 * np.cos(2 * np.pi * flow / rng.uniform(5, 8))
    plasma = 0.36 + 0.07 * noise(rng, height, width, 18, 2) + 0.3 * ring + 0.13 * fibres * (1 - ring)
    plasma = np.clip(plasma, 0.05, 1.2) * (1 - 0.93 * lumen)

    points = thin_points(poisson_points(rng, height, width, spacing, margin=spacing, jitter=0.4), radius * 1.9)
    at = np.clip(points.astype(int), 0, (height - 1, width - 1))
    crowd = ring[at[:, 0], at[:, 1]]
    points = points[(lumen[at[:, 0], at[:, 1]] < 0.1) & (rng.random(len(points)) < 0.45 + 0.55 * crowd)]
    texture = noise(rng, height, width, radius * 0.35)
    nuclei, canvas = np.zeros((height, width), np.float32), Canvas(height, width)
    stretch = rng.uniform(1.0, 1.5)
    for y, x in points:
        window = canvas.window(y, x, radius * 2)
        if window is None:
            continue
        where, dy, dx = window
        r = radius * rng.uniform(0.8, 1.15)
        distance = ellipse(dy, dx, rng.uniform(0, np.pi), r * stretch, r, wobbles(rng, 0.1))
        body = cover(distance, 1.0) * (0.75 + 0.16 * texture[where]) * rng.uniform(0.75, 1.15)
        body = body + 0.35 * line(distance - 0.6, 1.4)
        nuclei[where] = np.maximum(nuclei[where], body)
    image = stain([(nuclei, nuclear), (plasma * (1 - 0.5 * np.clip(nuclei, 0, 1)), counter)], (0.97, 0.96, 0.97))
    return finish(rng, image, rng.uniform(0.004, 0.01), 0.5)


def plant_cells(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Plant tissue: polygonal cells with bright walls, a clear vacuole, and green chloroplasts along the walls."""
    size = rng.uniform(42, 78) * (min(height, width) / 256) ** 0.6
    points = poisson_points(rng, height, width, size, margin=size, jitter=rng.uniform(0.12, 0.3))
    distance, index = walls(points, height, width, warp_offsets(rng, height, width, size, size * 0.05))
    ground = jitter(rng, [(0.88, 0.93, 0.80), (0.93, 0.92, 0.84), (0.80, 0.90, 0.86)][rng.integers(3)], 0.04)
    leaf = jitter(rng, [(0.26, 0.52, 0.16), (0.36, 0.56, 0.12), (0.14, 0.45, 0.24)][rng.integers(3)], 0.05)
    wall = jitter(rng, [(0.42, 0.50, 0.28), (0.60, 0.44, 0.30), (0.30, 0.40, 0.34)][rng.integers(3)], 0.05)
    tint = rng.uniform(-0.04, 0.04, len(points)).astype(np.float32)[index]
    image = np.clip(ground + tint[..., None] + 0.015 * noise(rng, height, width, 25, 2)[..., None], 0, 1)
    image = blend(image, mix(ground, leaf, 0.25), 0.5 * smoothstep(distance, 9, 2))
    canvas, r = Canvas(height, width), rng.uniform(4.2, 6.5) * (min(height, width) / 256) ** 0.4
    crowd = poisson_points(rng, height, width, r * 2.3, margin=r, jitter=0.35)
    at = np.clip(crowd.astype(int), 0, (height - 1, width - 1))
    near = distance[at[:, 0], at[:, 1]]
    reach = rng.uniform(2.2, 4.0) * r
    chosen = (near > r * 0.9) & (near < reach) & (rng.random(len(crowd)) < rng.uniform(0.6, 0.95))
    for y, x in crowd[chosen]:
        window = canvas.window(y, x, r * 1.8)
        if window is None:
            continue
        where, dy, dx = window
        body = lens(dy, dx, rng.uniform(0, np.pi), r * rng.uniform(1.1, 1.5), r * rng.uniform(0.65, 0.85))
        grain = 1 + 0.12 * noise(rng, *body.shape, 2.5)[..., None]
        image[where] = blend(image[where], np.clip(leaf * grain * rng.uniform(0.85, 1.15), 0, 1), 0.92 * cover(body))
        image[where] = blend(image[where], leaf * 0.55, 0.6 * line(body, 1.2))
    if rng.random() < 0.5:
        for y, x in points[rng.random(len(points)) < 0.5]:
            window = canvas.window(y + rng.normal(0, size / 8), x + rng.normal(0, size / 8), r * 3)
            if window is None:
                continue
            where, dy, dx = window
            nucleus = ellipse(dy, dx, 0.0, r * 1.5, r * 1.3)
            image[where] = blend(image[where], mix(ground, wall, 0.5), 0.7 * cover(nucleus))
            image[where] = blend(image[where], wall * 0.8, 0.7 * cover(r * 0.45 - np.hypot(dy, dx)))
    image = blend(image, np.clip(wall * 1.25, 0, 1), cover(rng.uniform(2.0, 3.2) - distance, 1.0))
    image = blend(image, wall * 0.6, 0.8 * line(distance - 2.6, 1.2))
    return finish(rng, image, rng.uniform(0.004, 0.01), 0.5)
