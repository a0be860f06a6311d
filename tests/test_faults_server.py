"""On a real server: after a fault the same server gives the same bits, and its folders hold nothing half-made."""

from __future__ import annotations

import itertools

import pytest
from comfy_client import ExecutionError, Interrupted
from reference_prompts import by_four_nodes, with_fault
from test_server import GRAPH, STEPS, changed, digest, without_output_cache

KINDS = {
    "exception": (ExecutionError, "a fault"),
    "out of memory": (ExecutionError, "a fault"),
    "interrupt": (Interrupted, "was interrupted"),
}
NODES = ("invert", "capture", "sample")
numbers = itertools.count(700)


def fail(client, node: str, kind: str, at: int) -> None:
    """Runs a graph whose node fails, and checks that the user is told which."""
    error, text = KINDS[kind]
    with pytest.raises(error, match=text) as caught:
        client.run(with_fault(without_output_cache(GRAPH, next(numbers)), kind, at, node))
    if error is ExecutionError:
        assert caught.value.node_id == node


@pytest.fixture(scope="module")
def reference(server) -> str:
    return by_four_nodes(server.client)


@pytest.mark.parametrize(
    ("node", "kind", "at"),
    [("invert", "out of memory", 1), ("capture", "exception", 3), ("sample", "interrupt", 2)],
)
def test_the_reference_prompt_after_a_fault(client, reference, node, kind, at):
    fail(client, node, kind, at)
    assert by_four_nodes(client) == reference


@pytest.mark.long(section="faults")
@pytest.mark.parametrize("at", range(1, STEPS + 1))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("node", NODES)
def test_the_reference_prompt_after_every_fault(client, reference, node, kind, at):
    fail(client, node, kind, at)
    assert by_four_nodes(client) == reference


def test_models_that_leave_memory_between_the_nodes_change_nothing(client, reference):
    graph = changed(GRAPH, adain__content=["unload", 0], sample__latent=["unload2", 0])
    graph["unload"] = {"class_type": "CellStyleTestUnload", "inputs": {"latent": ["invert", 0]}}
    graph["unload2"] = {"class_type": "CellStyleTestUnload", "inputs": {"latent": ["adain", 0]}}
    client.free()
    assert digest(client.run(graph)) == reference
