"""Shared drawing helpers for the image generator: colours, smooth noise, point sets, distance fields, shapes.

Everything is a pure function of its arguments (and of the random generator passed in); images are float32 arrays
of shape (H, W) or (H, W, 3) with values in 0..1.
"""

import colorsys

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree


def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates (y, x) as two float32 arrays of shape (H, W)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return y, x


def smoothstep(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, smooth in between (``low`` may be the larger one: then it falls)."""
    t = np.clip((np.asarray(values, np.float32) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of the two spatial axes."""
    if sigma <= 0:
        return image
    sigmas = (sigma, sigma) + (0,) * (image.ndim - 2)
    return ndimage.gaussian_filter(image, sigmas, mode="reflect", truncate=3.0)


def normalise(field: np.ndarray) -> np.ndarray:
    """Stretch a field to exactly 0..1."""
    low, high = float(field.min()), float(field.max())
    return ((field - low) / max(high - low, 1e-8)).astype(np.float32)


def noise(rng: np.random.Generator, height: int, width: int, scale: float, octaves: int = 1) -> np.ndarray:
    """Smooth noise with features of about ``scale`` pixels: zero mean, about unit spread; more octaves, more detail."""
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for _ in range(octaves):
        step = max(scale, 1.0)
        rows, cols = int(np.ceil(height / step)) + 4, int(np.ceil(width / step)) + 4
        coarse = rng.standard_normal((rows, cols)).astype(np.float32)
        start_y, start_x = rng.uniform(1, 2, 2)
        ys = start_y + np.arange(height, dtype=np.float32) / step
        xs = start_x + np.arange(width, dtype=np.float32) / step
        total += weight * (_spline_rows(ys, rows) @ coarse @ _spline_rows(xs, cols).T)
        weight *= 0.5
        scale *= 0.5
    return total / max(float(total.std()), 1e-6)


def _spline_rows(positions: np.ndarray, count: int) -> np.ndarray:
    """Matrix of uniform cubic B-spline weights that samples ``count`` coefficients at ``positions``."""
    base = np.floor(positions).astype(int)
    t = (positions - base).astype(np.float32)
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    matrix = np.zeros((len(positions), count), np.float32)
    index = np.arange(len(positions))
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        matrix[index, np.clip(base + offset, 0, count - 1)] += weight / 6
    return matrix


def poisson_points(
    rng: np.random.Generator, height: int, width: int, distance: float, margin: float = 0.0, jitter: float = 0.32
) -> np.ndarray:
    """Evenly spread random points (N, 2) as (y, x), about ``distance`` apart: a jittered hexagonal lattice.

    ``margin`` (pixels) extends the area beyond the picture on every side; ``jitter`` is in units of the distance.
    """
    row_step = distance * 0.866
    rows = np.arange(-margin, height + margin + row_step, row_step)
    cols = np.arange(-margin, width + margin + distance, distance)
    yy, xx = np.meshgrid(rows, cols, indexing="ij")
    xx = xx + np.where(np.arange(len(rows)) % 2, 0.5, 0.0)[:, None] * distance
    points = np.stack([yy.ravel(), xx.ravel()], 1)
    points += rng.uniform(-distance / 2, distance / 2, 2)
    return (points + rng.uniform(-jitter, jitter, points.shape) * distance).astype(np.float32)


def thin_points(points: np.ndarray, distance: float) -> np.ndarray:
    """Drop points (in their order) until no two are nearer than ``distance``."""
    if len(points) == 0:
        return points
    keep = np.ones(len(points), bool)
    for first, second in sorted(cKDTree(points).query_pairs(distance)):
        if keep[first]:
            keep[second] = False
    return points[keep]


def warp_offsets(
    rng: np.random.Generator, height: int, width: int, scale: float, amount: float
) -> tuple[np.ndarray, np.ndarray]:
    """Two smooth displacement fields (y, x), ``amount`` pixels strong, with features of ``scale`` pixels."""
    return amount * noise(rng, height, width, scale), amount * noise(rng, height, width, scale)


def cells(
    points: np.ndarray,
    height: int,
    width: int,
    warp: tuple[np.ndarray, np.ndarray] | None = None,
    neighbours: int = 2,
) -> tuple[np.ndarray, np.ndarray]:
    """Voronoi cells: distances (neighbours, H, W) to the nearest points, ascending, and the nearest one's index."""
    y, x = grid(height, width)
    if warp is not None:
        y, x = y + warp[0], x + warp[1]
    where = np.stack([y.ravel(), x.ravel()], 1)
    distances, index = cKDTree(points).query(where, k=neighbours)
    distances = distances.reshape(height, width, neighbours).astype(np.float32)
    return np.moveaxis(distances, 2, 0), index[:, 0].reshape(height, width)


def walls(points: np.ndarray, height: int, width: int, warp: tuple[np.ndarray, np.ndarray] | None = None):
    """Signed pixel distance from the nearest Voronoi border (H, W) and the index of each pixel's cell."""
    y, x = grid(height, width)
    if warp is not None:
        y, x = y + warp[0], x + warp[1]
    where = np.stack([y.ravel(), x.ravel()], 1)
    distances, index = cKDTree(points).query(where, k=4)
    first = points[index[:, 0]]
    border = np.full(len(where), np.inf)
    for rank in (1, 2, 3):
        apart = np.linalg.norm(points[index[:, rank]] - first, axis=1)
        border = np.minimum(border, (distances[:, rank] ** 2 - distances[:, 0] ** 2) / np.maximum(2 * apart, 1e-6))
    return border.reshape(height, width).astype(np.float32), index[:, 0].reshape(height, width)


def inside_distance(mask: np.ndarray) -> np.ndarray:
    """Signed distance to the edge of a mask: positive inside, negative outside, in pixels."""
    if mask.all() or not mask.any():
        return np.full(mask.shape, 1e3 if mask.any() else -1e3, np.float32)
    inner = ndimage.distance_transform_edt(mask)
    outer = ndimage.distance_transform_edt(~mask)
    return (inner - outer).astype(np.float32)


def cover(distance: np.ndarray, softness: float = 1.0) -> np.ndarray:
    """Anti-aliased coverage 0..1 of a shape given its signed distance (positive inside)."""
    return smoothstep(distance, -softness, softness)


def line(distance: np.ndarray, thickness: float, softness: float = 0.8) -> np.ndarray:
    """Anti-aliased coverage of the line where ``distance`` is zero, ``thickness`` pixels wide."""
    return smoothstep(np.abs(distance), thickness / 2 + softness, max(thickness / 2 - softness, 0.0))


def blend(image: np.ndarray, colour, alpha: np.ndarray) -> np.ndarray:
    """Lay a colour (a number, a triple or an image) over an image with coverage ``alpha`` (H, W)."""
    if image.ndim == 3:
        alpha = alpha[..., None]
    return image + (np.asarray(colour, np.float32) - image) * alpha


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """Colour triple from hue (wraps), saturation and value."""
    triple = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return np.array(triple, np.float32)


def mix(first, second, amount) -> np.ndarray:
    """Blend of two colours; ``amount`` may be a number or a field (H, W), which gives an image."""
    first, second = np.asarray(first, np.float32), np.asarray(second, np.float32)
    amount = np.asarray(amount, np.float32)
    if amount.ndim:
        amount = amount[..., None]
    return first + (second - first) * amount


def jitter(rng: np.random.Generator, colour, amount: float = 0.06) -> np.ndarray:
    """The colour, moved a little at random."""
    return np.clip(np.asarray(colour, np.float32) + rng.uniform(-amount, amount, 3), 0, 1).astype(np.float32)


def ramp(colours, position: np.ndarray) -> np.ndarray:
    """Colours looked up along an evenly spaced gradient: position 0..1 of shape (H, W) gives (H, W, 3)."""
    colours = np.asarray(colours, np.float32)
    stops = np.linspace(0, 1, len(colours))
    position = np.clip(position, 0, 1)
    return np.stack([np.interp(position, stops, colours[:, c]) for c in range(3)], -1).astype(np.float32)


def stain(amounts: list[tuple[np.ndarray, np.ndarray]], light=(1.0, 1.0, 1.0)) -> np.ndarray:
    """Beer-Lambert image: each (absorbance field, transmitted colour at absorbance 1) darkens the light."""
    optical = sum(field[..., None] * -np.log(np.clip(colour, 0.02, 1)) for field, colour in amounts)
    return (np.asarray(light, np.float32) * np.exp(-optical)).astype(np.float32)


def finish(rng: np.random.Generator, image: np.ndarray, grain: float = 0.008, soften: float = 0.0) -> np.ndarray:
    """Optional blur, a little grain (about 1.5 px, the same in all channels), clipped float32 RGB."""
    image = blur(image, soften)
    if grain > 0:
        speck = blur(rng.standard_normal(image.shape[:2]).astype(np.float32), 0.7) * 2.2 * grain
        image = image + (speck[..., None] if image.ndim == 3 else speck)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, 2)
    return np.clip(image, 0, 1).astype(np.float32)


class Canvas:
    """Window bookkeeping for shapes that each touch only a small box of the picture."""

    def __init__(self, height: int, width: int):
        self.height, self.width = height, width

    def window(self, y: float, x: float, radius: float):
        """Slices of the box around (y, x) and the offsets (dy, dx) in it, or None if it misses the picture."""
        top, bottom = max(int(y - radius), 0), min(int(y + radius) + 2, self.height)
        left, right = max(int(x - radius), 0), min(int(x + radius) + 2, self.width)
        if top >= bottom or left >= right:
            return None
        dy = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y)
        dx = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(x)
        return (slice(top, bottom), slice(left, right)), dy, dx


def turned(dy: np.ndarray, dx: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along and across an axis at ``angle`` (0 = rightward) for offsets (dy, dx)."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * dx + s * dy, c * dy - s * dx


def ellipse(dy, dx, angle: float, long: float, short: float, wobble=None) -> np.ndarray:
    """About the signed distance (positive inside) of an ellipse with half axes ``long`` and ``short``.

    ``wobble`` = (amplitudes, phases) of the harmonics 2, 3, ... makes the outline irregular.
    """
    along, across = turned(dy, dx, angle)
    radius = np.sqrt((along / long) ** 2 + (across / short) ** 2) + 1e-6
    outline = 1.0
    if wobble is not None:
        theta = np.arctan2(across / short, along / long)
        for order, (amplitude, phase) in enumerate(zip(*wobble, strict=True), start=2):
            outline = outline + amplitude * np.cos(order * theta + phase)
    gradient = np.sqrt((along / long**2) ** 2 + (across / short**2) ** 2) / radius + 1e-6
    return ((outline - radius) / gradient).astype(np.float32)


def wobbles(rng: np.random.Generator, amount: float, orders: int = 4):
    """Random harmonics for :func:`ellipse`, weaker for the higher ones."""
    scale = amount / np.arange(1, orders + 1)
    return rng.uniform(-1, 1, orders) * scale, rng.uniform(0, 2 * np.pi, orders)


def lens(dy, dx, angle: float, half_length: float, half_width: float, bend: float = 0.0) -> np.ndarray:
    """About the signed distance (positive inside) of a lens (pointed ellipse), curved by ``bend``."""
    along, across = turned(dy, dx, angle)
    t = np.clip(along / half_length, -1.2, 1.2)
    across = across - bend * half_width * (1 - t * t)
    envelope = half_width * (1 - np.abs(t) ** 2.4)
    return (envelope - np.abs(across)).astype(np.float32)


def stamp_points(height: int, width: int, points: np.ndarray, weights=1.0) -> np.ndarray:
    """Image of unit impulses at points (y, x), bilinearly spread; blur it to get dots."""
    image = np.zeros((height, width), np.float32)
    if len(points) == 0:
        return image
    y, x = points[:, 0], points[:, 1]
    weights = np.broadcast_to(np.asarray(weights, np.float32), y.shape)
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    for oy in (0, 1):
        for ox in (0, 1):
            part = weights * np.abs(1 - oy - (y - y0)) * np.abs(1 - ox - (x - x0))
            yy, xx = y0 + oy, x0 + ox
            ok = (yy >= 0) & (yy < height) & (xx >= 0) & (xx < width)
            np.add.at(image, (yy[ok], xx[ok]), part[ok])
    return image


def dots(height: int, width: int, points: np.ndarray, sigma: float, weights=1.0) -> np.ndarray:
    """Soft round dots of peak ``weights`` and width ``sigma`` at points (y, x)."""
    return blur(stamp_points(height, width, points, weights), sigma) * np.float32(2 * np.pi * sigma**2)


def polyline_points(path: np.ndarray, spacing: float = 0.5) -> np.ndarray:
    """Points (N, 2) along a polyline, ``spacing`` apart: stamp and blur them to draw a curve."""
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    along = np.arange(0, lengths[-1], spacing)
    return np.stack([np.interp(along, lengths, path[:, 0]), np.interp(along, lengths, path[:, 1])], 1)
