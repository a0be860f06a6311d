"""Draw the example time-lapse: python tools/demo_model/time_lapse.py [FILE]

Fluorescent cells on black in two channels, nuclei and membranes: most keep their places, a few crawl over the others.
The light of a frame is exact, and a camera counts it: an offset, photon noise and read noise, anew in every frame. What
is written is an OME-TIFF of 16 bits, axes TCYX, 256 x 256 pixels; the seed is fixed.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from drawing import Canvas, blur, cover, ellipse, noise, poisson_points, smoothstep, thin_points, wobbles

FILE = Path(__file__).resolve().parent.parent.parent / "example_images" / "content_time_lapse.tif"
SIDE, FRAMES, SEED = 256, 8, 3
MICROMETRES, MINUTES = 0.325, 2.0  # of a pixel, between frames
OFFSET, FULL, READ = 100, 250, 1.5  # counts: of no light, of full light, spread of the read-out
GAIN = 0.05  # counts a photon: brighter places have more noise, in counts
CRAWLING, SPEED = 4, 7.0  # cells that move, and pixels a frame
RADIUS = 12.0  # of a nucleus


@dataclass(frozen=True)
class Cell:
    """Its drawing never changes; only its place does. path: (FRAMES, 2), (y, x)."""

    path: np.ndarray
    angle: float
    long: float
    short: float
    shape: tuple
    body: tuple
    level: float
    spots: np.ndarray


def time_lapse(seed: int = SEED, frames: int = FRAMES, side: int = SIDE) -> np.ndarray:
    """(frames, 2, side, side) uint16: nuclei and membranes."""
    rng = np.random.default_rng(seed)
    cells = _cells(rng, side, frames)
    texture = noise(rng, 2 * side, 2 * side, RADIUS / 3, 2)
    haze = 0.02 + 0.012 * noise(rng, side, side, side / 4, 2)
    counts = []
    for n in range(frames):
        light = np.clip(_light(cells, n, side, texture) + haze, 0, 1)
        expected = FULL * light
        noisy = GAIN * rng.poisson(expected / GAIN) + rng.normal(OFFSET, READ, light.shape)
        counts.append(np.round(np.clip(noisy, 0, 65535)).astype(np.uint16))
    return np.stack(counts)


def _cells(rng: np.random.Generator, side: int, frames: int) -> list[Cell]:
    centres = thin_points(poisson_points(rng, side, side, 3.4 * RADIUS, RADIUS, 0.3), 2.6 * RADIUS)
    rng.shuffle(centres)
    found = []
    for number, centre in enumerate(centres):
        crawls = number >= len(centres) - CRAWLING  # last, so that they are drawn over the others
        if crawls:
            centre, heading = rng.uniform(0.25, 0.75, 2) * side, rng.uniform(0, 2 * np.pi)
            turns = heading + np.cumsum(rng.normal(0, 0.12, frames))
            moves = SPEED * np.stack([np.sin(turns), np.cos(turns)], 1)
            path = centre + np.cumsum(moves, 0) - moves.sum(0) / 2
        else:
            path = np.repeat(centre[None], frames, 0)
        size = RADIUS * np.exp(rng.normal(0, 0.12)) * (0.8 if crawls else 1.0)
        stretch = rng.uniform(1.05, 1.4)
        found.append(
            Cell(
                path,
                rng.uniform(0, np.pi),
                size * np.sqrt(stretch),
                size / np.sqrt(stretch),
                wobbles(rng, 0.07),
                wobbles(rng, 0.12),
                float(np.exp(rng.normal(-0.25, 0.15))),
                rng.uniform(-0.5, 0.5, (3, 2)) * size,
            )
        )
    return found


def _light(cells: list[Cell], n: int, side: int, texture: np.ndarray) -> np.ndarray:
    """(2, side, side): what reaches the camera in frame n."""
    light = np.zeros((2, side, side), np.float32)
    canvas = Canvas(side, side)
    for number, cell in enumerate(cells):
        y, x = cell.path[n]
        if (found := canvas.window(y, x, 2.6 * cell.long)) is None:
            continue
        (rows, columns), dy, dx = found
        edge = ellipse(dy, dx, cell.angle, 1.75 * cell.long, 1.9 * cell.short, cell.body)
        nucleus = ellipse(dy, dx, cell.angle, cell.long, cell.short, cell.shape)
        # a place of the texture of its own, which moves along
        u = (np.arange(rows.start, rows.stop) - round(y) + 61 * (number + 1)) % len(texture)
        v = (np.arange(columns.start, columns.stop) - round(x) + 97 * (number + 1)) % len(texture)
        grain = texture[np.ix_(u, v)]
        chromatin = np.clip(1 + 0.18 * grain, 0.3, 1.6)
        for sy, sx in cell.spots:
            chromatin = chromatin * (1 - 0.6 * np.exp(-((dy - sy) ** 2 + (dx - sx) ** 2) / (2 * (0.16 * RADIUS) ** 2)))
        inside, core = cover(edge, 1.0), cover(nucleus, 1.2)
        rim = np.exp(-((edge / 1.4) ** 2) / 2) + 0.3 * smoothstep(edge, -1, 5) * np.clip(1 + 0.4 * grain, 0.2, 2)
        light[0, rows, columns] = light[0, rows, columns] * (1 - inside) + cell.level * chromatin * core
        light[1, rows, columns] = light[1, rows, columns] * (1 - inside) + 0.75 * cell.level * rim * (1 - 0.7 * core)
    return 1 - np.exp(-1.1 * np.stack([blur(channel, 0.8) for channel in light]))


def write(path: Path) -> None:
    """The OME-TIFF, with what a microscope would say."""
    metadata = {
        "axes": "TCYX",
        "Channel": {"Name": ["nuclei", "membranes"], "Color": [0x3C64FFFF, 0xFF28A0FF - 2**32]},
        "PhysicalSizeX": MICROMETRES,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": MICROMETRES,
        "PhysicalSizeYUnit": "µm",
        "TimeIncrement": MINUTES,
        "TimeIncrementUnit": "min",
    }
    tifffile.imwrite(path, time_lapse(), ome=True, compression="zlib", predictor=True, metadata=metadata)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    write(target)
    print(f"{target.name}: {FRAMES} frames, {SIDE}x{SIDE}, seed {SEED}, {target.stat().st_size / 1000:.0f} kB")
