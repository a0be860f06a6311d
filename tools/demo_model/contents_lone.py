"""One to three cells on an empty field: the micrograph whose flat background shows every fault of a start."""

import numpy as np
from drawing import Canvas, cover, dots, ellipse, finish, hsv, mix, noise, smoothstep, wobbles


def lone_cells(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Cells with a nucleus, granules and a rim: grey as in phase contrast, glowing or stained; on one tone."""
    size = min(height, width) * rng.uniform(0.16, 0.42)
    count = int(rng.choice([1, 1, 2, 3]))
    centres = rng.uniform(0.25, 0.75, (count, 2)) * (height, width)
    light, body, halo = (np.zeros((height, width), np.float32) for _ in range(3))
    for y, x in centres:
        _draw(rng, Canvas(height, width), float(y), float(x), size * rng.uniform(0.7, 1.1), light, body, halo)
    grain = noise(rng, height, width, size * rng.uniform(0.08, 0.2), 3)
    light = np.clip(light + body * rng.uniform(0.03, 0.1) * grain, 0, 1)
    field, ink, bright = _colours(rng)
    image = mix(field, ink, body) + (bright - ink) * (body * light)[..., None]
    image = image + rng.uniform(-0.05, 0.12) * halo[..., None]
    slope = noise(rng, height, width, 2 * max(height, width)) * rng.uniform(0, 0.012)
    return finish(rng, image + slope[..., None], rng.uniform(0.0, 0.006), rng.uniform(0.2, 0.8))


def _draw(rng, canvas, y, x, radius, light, body, halo) -> None:
    """Adds one cell: how bright it is inside, where it is, and the bright ring around it."""
    where, dy, dx = canvas.window(y, x, 2.2 * radius)
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1.0, 1.6)
    outline = ellipse(dy, dx, angle, radius * stretch, radius, wobbles(rng, rng.uniform(0.02, 0.2)))
    inside = cover(outline, rng.uniform(0.8, 2.5))
    level = 0.25 + rng.uniform(0.1, 0.4) * smoothstep(outline, 0, radius * rng.uniform(0.4, 1.0))
    level += rng.uniform(0, 0.5) * np.exp(-((outline / (0.06 * radius)) ** 2))
    ny, nx = rng.uniform(-0.25, 0.25, 2) * radius
    nucleus = ellipse(dy - ny, dx - nx, angle + rng.normal(0, 0.4), radius * 0.45, radius * 0.36, wobbles(rng, 0.06))
    level = level + rng.uniform(-0.25, 0.4) * cover(nucleus, 1.5)
    points = rng.normal(0, 0.4 * radius, (int(rng.integers(0, 90)), 2)) - (dy[0, 0], dx[0, 0])
    level = level + rng.uniform(-0.3, 0.5) * dots(dy.size, dx.size, points, max(0.8, radius * rng.uniform(0.015, 0.04)))
    light[where] = light[where] * (1 - inside) + level * inside
    body[where] = np.maximum(body[where], inside)
    ring = np.exp(-((np.minimum(outline, 0) / (0.12 * radius)) ** 2)) * (1 - inside)
    halo[where] = np.maximum(halo[where], ring)


def _colours(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(field, the cell's dark tone, its bright tone): phase contrast, fluorescence on black, or a stain on glass."""
    kind = rng.choice(["phase", "glow", "stain"], p=[0.45, 0.35, 0.2])
    if kind == "phase":
        field = rng.uniform(0.25, 0.75)
        dark, bright = field + rng.uniform(-0.25, 0.1), min(1.0, field + rng.uniform(0.15, 0.5))
        return tuple(np.full(3, max(tone, 0.02), np.float32) for tone in (field, dark, bright))
    hue = rng.uniform(0, 1)
    if kind == "glow":
        return np.full(3, rng.uniform(0, 0.03), np.float32), hsv(hue, 1, 0.15), hsv(hue + rng.normal(0, 0.05), 0.8, 1)
    return hsv(rng.uniform(0.05, 0.15), 0.06, rng.uniform(0.85, 0.97)), hsv(hue, 0.45, 0.55), hsv(hue, 0.2, 0.85)
