"""Prompts without end, no two alike: sizes, batches, styles, wirings and storage drawn from a seed."""

from __future__ import annotations

import hashlib
import io
import random

import numpy as np
from comfy_client import ComfyClient, Result
from comfy_server import ComfyServer
from PIL import Image
from test_server import GRAPH, STEPS, changed, digest
from test_server_styles import any_sampler, blended
from test_style_file_server import LOAD, SAVE
from test_transfer import graph_of

SIZES = (8, 9, 12, 15, 16, 20)  # of latents: 64 to 160 pixels
PICTURES = tuple(f"soak_{name}.png" for name in ("cells", "tissue", "ink", "paint"))
STYLE_FILES = {f"soak/{form}": form for form in ("compact", "full")}


def prepare(server: ComfyServer) -> None:
    """Put the pictures and style files that the prompts name where the server finds them; the same ones each time."""
    rng = np.random.default_rng(7)
    for number, name in enumerate(PICTURES):
        shape = (64 + 8 * number, 96 - 8 * number, 3)
        Image.fromarray(rng.integers(0, 255, shape, np.uint8)).save(server.input_dir / name)
    for name, form in STYLE_FILES.items():
        server.client.run(changed(SAVE, save__name=name, save__format=form))


def prompt(number: int) -> dict:
    """Prompt `number`: it depends on nothing else, and no other number gives the same."""
    dice = random.Random(number)
    wiring = dice.choice((_plain, _plain, _sampler, _blend, _file, _one_node))
    return wiring(dice, number)


def outcome(client: ComfyClient, result: Result) -> str:
    """The digest of the latent that a prompt made, or of its picture's pixels."""
    if "digest" in result.outputs:
        return digest(result)
    (image,) = result.outputs["out"]["images"]
    pixels = np.asarray(Image.open(io.BytesIO(client.fetch_image(image))))
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def _base(dice: random.Random, number: int) -> dict:
    steps = dice.choice((2, 3))
    batch, style_batch = dice.choice(((1, 1), (1, 1), (2, 1), (2, 2), (1, 2), (3, 1)))
    sides = {f"{node}__{side}": dice.choice(SIZES) for node in ("content", "style") for side in ("height", "width")}
    return changed(
        GRAPH,
        **sides,
        content__seed=10_000 + number,
        content__batch=batch,
        style__seed=dice.randrange(6),
        style__batch=style_batch,
        invert__steps=steps,
        capture__steps=steps,
        invert__refinement=dice.randrange(2),
        invert__storage=dice.choice(("auto", "ram", "recompute", "device")),
        capture__storage=dice.choice(("auto", "ram", "recompute", "device")),
        capture__feature_precision=dice.choice(("full", "full", "fp8")),
        sample__gamma=dice.choice((0.0, 0.3, 0.75, 1.0)),
        sample__tau=dice.choice((1.0, 1.5)),
        sample__gamma_curve=dice.choice(("constant", "cosine")),
    )


def _plain(dice: random.Random, number: int) -> dict:
    return _base(dice, number)


def _sampler(dice: random.Random, number: int) -> dict:
    return any_sampler(_base(dice, number), dice.choice(("euler", "ddim", "heun", "dpmpp_2m")))


def _blend(dice: random.Random, number: int) -> dict:
    mode = dice.choice(({}, {"weights": "0.7, 0.3"}, {"masks.mask_1": ["mask", 0]}, {"mode": "share"}))
    graph = blended(changed(_base(dice, number), style__batch=1), **{"styles.style_2": ["capture2", 0], **mode})
    return graph if "masks.mask_1" in mode else {name: node for name, node in graph.items() if name != "mask"}


def _file(dice: random.Random, number: int) -> dict:
    base = _base(dice, number)
    graph = {**LOAD, **{name: base[name] for name in ("content", "invert")}}
    return changed(
        graph, load__file=f"{dice.choice(list(STYLE_FILES))}.safetensors", content__batch=1, invert__steps=STEPS
    )


def _one_node(dice: random.Random, number: int) -> dict:
    pictures = dice.sample(PICTURES, 2)
    # each number has a gamma of its own, so that no cache answers for another's prompt
    return graph_of(pictures, 0, gamma=dice.choice((0.3, 0.7)) + number * 1e-5, tau=dice.choice((1.0, 1.5)))
