"""At the edge of every node: no number that is none, no message that cannot be printed."""

from __future__ import annotations

import json
import traceback

import pytest
import run_nodes as nodes
from cellstyle.node_parts.guard import LONGEST, LONGEST_TEXT, guarded, printable
from cellstyle.nodes import NODES
from comfy_test_nodes.tiny_models import tiny_conditioning, tiny_model

ODD = ["\ud800", "a\0b", "a\nb", "\x1b[31m", "\u202egpj.exe", "\udcff.tif", "x" * 10_000_000, "\ud800" * 10_000_000]


def node_that_raises(error: Exception):
    class Node:
        @classmethod
        def execute(cls, *args, **kwargs):
            raise error

    return guarded(Node)


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_a_message_is_one_short_line_that_every_log_can_take(text):
    with pytest.raises(ValueError) as caught:
        node_that_raises(ValueError(f'"{text}" is no file; give another.')).execute()
    said = str(caught.value)
    assert said.isprintable() and len(said) <= LONGEST and said.startswith('"')
    whole = "".join(traceback.format_exception(caught.value))
    assert whole.encode("utf-8") and text not in whole  # ComfyUI prints it, and nothing else of the chain
    assert "in execute" in whole  # where it was raised
    assert json.loads(json.dumps(said)) == said


def test_a_message_that_is_printable_is_left_alone():
    error = ValueError('layers: "output.14" is not in this UNet; größer 大 1 µm.')
    with pytest.raises(ValueError) as caught:
        node_that_raises(error).execute()
    assert caught.value is error


def test_a_kind_of_value_error_becomes_the_plain_one():
    class OddError(ValueError):
        pass

    with pytest.raises(ValueError, match=r"^given$") as caught:
        node_that_raises(OddError("given")).execute()
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("error", [RuntimeError("\ud800"), KeyboardInterrupt(), MemoryError()])
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as caught:
        node_that_raises(error).execute()
    assert caught.value is error


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dial", ["gamma", "tau", "gamma_end", "start_percent", "end_percent"])
def test_a_dial_that_is_no_number_is_named(dial, value):
    model, conditioning = tiny_model(), tiny_conditioning()
    with pytest.raises(ValueError, match=rf"^{dial} is -?(nan|inf), "):
        nodes.sample(model, conditioning, nodes.latent(1, 4, 8, 8), **{dial: value})


def test_a_text_without_an_end_is_refused_before_anybody_reads_it():
    with pytest.raises(
        ValueError, match=r"^layers is a text of 1,000,001 characters; at most 1,000,000\. Shorten it\.$"
    ):
        nodes.invert(None, None, None, layers="x" * (LONGEST_TEXT + 1))


@pytest.mark.parametrize("node", NODES, ids=lambda node: node.__name__)
def test_every_node_has_the_edge(node):
    with pytest.raises(ValueError, match=r"^gamma is nan, which is no number to work with"):
        node.execute(gamma=float("nan"))


def test_what_is_escaped_can_be_told_apart():
    assert printable("a\ud800b\0c\x1b") == "a\\ud800b\\x00c\\x1b"
    assert printable("  two\n lines ") == "two lines"
