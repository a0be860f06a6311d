"""Prompts whose results must be the same bits whatever happened before, and on whatever server."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from comfy_client import ComfyClient
from comfy_server import ComfyServer
from PIL import Image
from test_server import GRAPH, changed, digest
from test_style_file_server import LOAD, SAVE
from test_transfer import graph_of

PICTURES = ("reference_content.png", "reference_style.png")


def by_four_nodes(client: ComfyClient) -> str:
    """The digest of the paper's graph, run anew: the server forgets what it has cached."""
    client.free()
    return digest(client.run(GRAPH))


def references(server: ComfyServer) -> dict[str, str]:
    """Digests of the four nodes, of a style saved, loaded and computed again, and of the one-node graph's picture."""
    rng = np.random.default_rng(0)
    for name in PICTURES:
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(server.input_dir / name)
    client = server.client
    found = {"four nodes": by_four_nodes(client)}
    client.run(SAVE)
    client.free()
    found["style file"] = digest(client.run(LOAD))
    result = client.run(graph_of(PICTURES, 0))
    pixels = Image.open(io.BytesIO(client.fetch_image(result.images[0])))
    found["one node"] = hashlib.sha256(np.asarray(pixels).tobytes()).hexdigest()
    return found


def with_fault(graph: dict, error: str, at: int, *nodes: str) -> dict:
    """The graph whose `nodes` take a model that fails at its network call number `at`."""
    fault = {"class_type": "CellStyleTestFault", "inputs": {"model": ["count", 0], "error": error, "at": at}}
    return {**changed(graph, **{f"{node}__model": ["fault", 0] for node in nodes}), "fault": fault}
