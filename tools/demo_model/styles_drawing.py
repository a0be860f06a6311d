"""Helpers of the styles: noise, palettes, lattices, soft edges, many stamps at once.

Everything is a pure function of its arguments; randomness comes only from the generator passed in.
Fields are float32 arrays of shape (H, W), pictures (H, W, 3) in 0..1.
"""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

TAU = 2 * np.pi


def unit(height, width):
    """Length of one drawing unit in pixels: 1 at 256 px, growing more slowly than the picture."""
    return max(min(height, width) / 256, 0.2) ** 0.7


def grid(height, width):
    """Pixel coordinates (y, x) as two (H, W) fields."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return y, x


def rotate(y, x, angle):
    """Coordinates (v, u) of a frame turned by `angle`: u along the direction, v across it."""
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return -s * x + c * y, c * x + s * y


def _spline_matrix(size, cells):
    position = np.linspace(0, cells, size, dtype=np.float64)
    index = np.minimum(position.astype(int), cells - 1) if cells > 0 else np.zeros(size, int)
    t = position - index
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    matrix = np.zeros((size, cells + 3), np.float32)
    for k in range(4):
        matrix[np.arange(size), index + k] += weights[k]
    return matrix


def smooth_noise(rng, height, width, scale, stretch=(1.0, 1.0)):
    """Smooth noise of mean 0 and deviation about 1, with features of `scale` pixels; stretch = (y, x) factors."""
    rows = max(1, round(height / max(scale * stretch[0], 1)))
    columns = max(1, round(width / max(scale * stretch[1], 1)))
    values = rng.standard_normal((rows + 3, columns + 3)).astype(np.float32)
    field = _spline_matrix(height, rows) @ values @ _spline_matrix(width, columns).T
    return field * np.float32(2.1)


def cloud_noise(rng, height, width, scale, octaves=4, gain=0.5, stretch=(1.0, 1.0)):
    """Several octaves of smooth noise, mean 0, deviation about 1."""
    total, norm = np.zeros((height, width), np.float32), 0.0
    for k in range(octaves):
        size = scale / 2**k
        if size < 1.5 and k > 0:
            break
        total += gain**k * smooth_noise(rng, height, width, size, stretch)
        norm += gain ** (2 * k)
    return total / np.float32(np.sqrt(norm))


def unit_range(field):
    """The field stretched to 0..1 between its 1st and 99th percentile."""
    low, high = np.percentile(field[::3, ::3], (1, 99))
    return np.clip((field - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def smoothstep(low, high, value):
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def below(distance, edge=0.0, soft=0.7):
    """1 where distance < edge, 0 beyond, with an edge softened by `soft` pixels."""
    return np.clip(0.5 + (edge - distance) / (2 * soft), 0, 1)


def colour(*values):
    """A colour from hexadecimal strings, as an array (N, 3), or (3,) of a single one."""
    rows = [[int(v[i : i + 2], 16) / 255 for i in (0, 2, 4)] for v in values]
    array = np.array(rows, np.float32)
    return array[0] if len(values) == 1 else array


def jitter(rng, colours, amount):
    """Colours moved a little: brightness mostly, hue slightly."""
    colours = np.asarray(colours, np.float32)
    light = rng.normal(0, amount, (*colours.shape[:-1], 1))
    tint = rng.normal(0, amount * 0.6, colours.shape)
    return np.clip(colours + light + tint, 0, 1).astype(np.float32)


def hsv(h, s, v):
    """RGB of hue, saturation and value (arrays or numbers), stacked on a last axis."""
    h, s, v = np.broadcast_arrays(np.asarray(h, np.float32), np.asarray(s, np.float32), np.asarray(v, np.float32))
    k = (np.array([5.0, 3.0, 1.0], np.float32) + h[..., None] * 6) % 6
    return v[..., None] * (1 - s[..., None] * np.clip(np.minimum(k, 4 - k), 0, 1))


def ramp(values, colours):
    """Piecewise-linear colour ramp: values in 0..1 to the list of colours."""
    colours = np.asarray(colours, np.float32)
    table = np.linspace(0, len(colours) - 1, 256)
    low = np.minimum(table.astype(int), max(len(colours) - 2, 0))
    t = (table - low)[:, None]
    lut = colours[low] * (1 - t) + colours[np.minimum(low + 1, len(colours) - 1)] * t
    return lut.astype(np.float32)[np.clip(values * 255 + 0.5, 0, 255).astype(np.int32)]


def mix(base, over, alpha):
    """`over` (a colour or a picture) laid on `base` with the opacity field `alpha`."""
    alpha = np.asarray(alpha, np.float32)
    if alpha.ndim == 2:
        alpha = alpha[..., None]
    return base + (np.asarray(over, np.float32) - base) * alpha


def shade(picture, factor):
    """The picture multiplied by a field."""
    return picture * np.asarray(factor, np.float32)[..., None]


def finish(picture):
    """Clipped to 0..1 as float32, contiguous."""
    return np.ascontiguousarray(np.clip(picture, 0, 1), dtype=np.float32)


def lattice_points(rng, height, width, spacing, wobble=0.3, hexagonal=True):
    """Points (N, 2) as (y, x) on a jittered lattice that covers the picture and a margin around it."""
    step = spacing * (np.sqrt(3) / 2 if hexagonal else 1)
    ys = np.arange(-2 * spacing, height + 2 * spacing, step)
    xs = np.arange(-2 * spacing, width + 2 * spacing, spacing)
    points = np.stack(np.meshgrid(ys, xs, indexing="ij"), -1)
    if hexagonal:
        points[1::2, :, 1] += spacing / 2
    points = points.reshape(-1, 2) + rng.random(2) * spacing
    return points + rng.uniform(-wobble, wobble, points.shape) * spacing


def nearest(points, y, x, count=2):
    """Distances and indices of the `count` nearest points of each pixel, each (H, W, count)."""
    flat = np.stack([y.ravel(), x.ravel()], -1)
    distance, index = cKDTree(points, leafsize=8, balanced_tree=False).query(flat, k=count)
    shape = (*y.shape, count)
    return distance.reshape(shape).astype(np.float32), index.reshape(shape)


def cell_edges(points, distance, index):
    """Distance in pixels to the border between the nearest and the second nearest point's cells."""
    a, b = points[index[..., 0]], points[index[..., 1]]
    gap = np.sqrt(((a - b) ** 2).sum(-1))
    return ((distance[..., 1] ** 2 - distance[..., 0] ** 2) / (2 * gap + 1e-6)).astype(np.float32)


def hash_values(*integers):
    """Repeatable values in 0..1 from integer fields (tile numbers), for a colour per tile."""
    mixed = np.uint32(0x9E3779B9)
    for k, field in enumerate(integers):
        mixed = (mixed ^ np.asarray(field).astype(np.int64).astype(np.uint32)) * np.uint32(0x85EBCA6B + 2 * k)
        mixed = mixed ^ (mixed >> np.uint32(15))
    mixed = mixed * np.uint32(0xC2B2AE35)
    return ((mixed ^ (mixed >> np.uint32(13))) & np.uint32(0xFFFF)).astype(np.float32) / 65535


def patches(height, width, centres, angles, radius):
    """Square windows around many centres at once.

    Returns (flat pixel index, u, v, owner), one entry per pixel of each window inside the picture: u, v are
    its coordinates in the owner's turned frame, in pixels. Assigning by the index lets the last owner win.
    """
    side = np.arange(-int(np.ceil(radius)), int(np.ceil(radius)) + 1)
    dy, dx = (a.ravel() for a in np.meshgrid(side, side, indexing="ij"))
    near = dy**2 + dx**2 <= (radius + 1) ** 2
    dy, dx = dy[near], dx[near]
    centres = np.asarray(centres, np.float32)
    base = np.floor(centres).astype(np.int32)
    py, px = base[:, :1] + dy, base[:, 1:] + dx
    owner = np.broadcast_to(np.arange(len(centres), dtype=np.int32)[:, None], py.shape)
    inside = (py >= 0) & (py < height) & (px >= 0) & (px < width)
    py, px, owner = py[inside], px[inside], owner[inside]
    oy, ox = py - centres[owner, 0], px - centres[owner, 1]
    c, s = np.cos(angles).astype(np.float32)[owner], np.sin(angles).astype(np.float32)[owner]
    return py * width + px, c * ox + s * oy, c * oy - s * ox, owner


def blur(picture, sigma):
    """Gaussian blur of a field or of each channel of a picture."""
    return ndimage.gaussian_filter(picture, (sigma, sigma, 0) if picture.ndim == 3 else sigma, mode="nearest")


def halve(picture):
    """A picture of twice the size averaged down by two."""
    h, w = picture.shape[0] // 2, picture.shape[1] // 2
    return picture[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean((1, 3))
