"""One server through many prompts: nothing stays behind, and every result is a fresh server's."""

from __future__ import annotations

import random

import pytest
from comfy_server import ComfyServer
from places import TEST_NODES
from soak import CACHE, Sample, memory_grows, sample, slope, what_is_left_behind
from soak_prompts import outcome, prepare, prompt

QUICK = 12
DISTINCT, ROUNDS = 50, 4  # again and again, each round in an order of its own: new sizes cost memory once
GROUP = 10  # prompts that one of the long run's fresh servers serves
# kB that these prompts lose each when they keep their style: measured, 308. The allocator's coming and going makes 30.
# What keeps less is found by the tensors that are alive, and those are counted exactly.
KEPT_STYLE = 300.0
BOUND = KEPT_STYLE / 3


def start() -> ComfyServer:
    return ComfyServer(extra_custom_nodes=[TEST_NODES], cpu=True, args=CACHE, env={"OMP_NUM_THREADS": "2"})


def soak(server: ComfyServer, prompts: list[dict], every: int) -> tuple[list[str], list[Sample]]:
    """Outcomes of the prompts, and a sample after every `every` of them."""
    outcomes, samples = [], []
    for number, graph in enumerate(prompts, 1):
        outcomes.append(outcome(server.client, server.client.run(graph)))
        if number % every == 0:
            samples.append(sample(server, number))
    return outcomes, samples


def fresh_outcomes(server: ComfyServer, numbers: list[int]) -> dict[int, str]:
    """Outcomes of prompts on a server that forgets everything before each."""
    client, found = server.client, {}
    for number in numbers:
        client.free()
        found[number] = outcome(client, client.run(prompt(number)))
    return found


def leaking(number: int) -> dict:
    """A prompt whose style is never let go."""
    graph = prompt(number)
    if "capture" not in graph or "sample" not in graph or "style_kv" not in graph["sample"]["inputs"]:
        return leaking(number + 1000)
    style_kv = graph["sample"]["inputs"]["style_kv"]
    graph["leak"] = {"class_type": "CellStyleTestLeak", "inputs": {"style_kv": style_kv}}
    graph["sample"]["inputs"]["style_kv"] = ["leak", 0]
    return graph


def test_prompt_after_prompt(frugal_server, server):
    prepare(frugal_server)
    outcomes, samples = soak(frugal_server, [prompt(number) for number in range(QUICK)], every=4)
    assert what_is_left_behind(samples) == []
    prepare(server)
    assert fresh_outcomes(server, list(reversed(range(QUICK)))) == dict(enumerate(outcomes))


def test_a_style_that_is_kept_is_noticed(frugal_server):
    prepare(frugal_server)
    _, samples = soak(frugal_server, [leaking(number) for number in range(300, 303)], every=1)
    grown = {line.partition(":")[0] for line in what_is_left_behind(samples)}
    assert {"tensors", "tensor_bytes", "banks"} <= grown


def test_threads_and_files_that_stay_are_noticed():
    samples = [Sample(n, 1e6, 8 + n, 10 + n % 2, {"tensors": 862}) for n in range(20)]
    assert [line.partition(":")[0] for line in what_is_left_behind(samples)] == ["threads"]
    samples = [Sample(n, 1e6, 8, 10 + n, {"tensors": 862}) for n in range(20)]
    assert [line.partition(":")[0] for line in what_is_left_behind(samples)] == ["files"]


@pytest.mark.parametrize(("a_prompt", "noticed"), [(0.0, False), (KEPT_STYLE, True)])
def test_memory_that_grows_is_told_from_memory_that_jumps(a_prompt, noticed):
    # As measured: tens of MB while the sizes are new, then some that come and go.
    dice = random.Random(0)
    memory = [1e6 + 4e4 * min(n / 60, 1) + a_prompt * n + dice.gauss(0, 4000) for n in range(0, DISTINCT * ROUNDS, 5)]
    samples = [Sample(5 * i, kilobytes, 8, 10, {}) for i, kilobytes in enumerate(memory)]
    assert bool(memory_grows(samples, BOUND)) == noticed


@pytest.mark.long(section="soak")
def test_two_hundred_prompts():
    dice = random.Random(0)
    numbers = [number for _ in range(ROUNDS) for number in dice.sample(range(DISTINCT), DISTINCT)]
    with start() as server:
        prepare(server)
        outcomes, samples = soak(server, [prompt(number) for number in numbers], every=5)
        print(f"{len(numbers)} prompts: {slope(samples[len(samples) // 3 :]):.1f} kB a prompt after the first third")
        print(f"from {samples[0]} to {samples[-1]}; MB: {[round(s.memory / 1024, 1) for s in samples]}")
        assert what_is_left_behind(samples) == []
        assert memory_grows(samples, BOUND) == []
        _, leaked = soak(server, [leaking(number) for number in numbers[:DISTINCT]], every=5)
        print(f"with a style kept every time: {slope(leaked[3:]):.1f} kB a prompt")
        assert memory_grows(leaked, BOUND) != []
    fresh = {}
    for group in range(0, DISTINCT, GROUP):
        with start() as server:
            prepare(server)
            fresh |= fresh_outcomes(server, list(range(group, group + GROUP)))
    assert outcomes == [fresh[number] for number in numbers]
