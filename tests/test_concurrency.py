"""Clients that share a server, cancel, leave and come back: each gets its own results, the bits of a run alone."""

from __future__ import annotations

from collections import Counter

import pytest
from crowd import crowd, visits
from reference_prompts import by_four_nodes
from soak import sample, what_is_left_behind
from soak_prompts import outcome, prepare, prompt


@pytest.mark.parametrize(
    ("clients", "prompts_each"), [(3, 3), pytest.param(6, 20, marks=pytest.mark.long(section="concurrency"))]
)
def test_clients_that_share_a_server(frugal_server, clients, prompts_each):
    client = frugal_server.client
    prepare(frugal_server)
    reference = by_four_nodes(client)
    before = sample(frugal_server, 0)

    guests = crowd(frugal_server, clients, prompts_each, seed=5000)

    after = sample(frugal_server, clients * prompts_each)
    assert what_is_left_behind([before, after]) == []
    assert by_four_nodes(client) == reference
    for guest in guests:
        assert guest.heard <= guest.own
    done = {visit.number: visit.found for visit in visits(guests) if visit.found}
    assert len(list(visits(guests))) == clients * prompts_each
    told = Counter((visit.action, visit.found is not None) for visit in visits(guests))
    print(f"{clients} clients, {clients * prompts_each} prompts: {dict(told)}")
    assert told["stop", True] == told["wait", False] == told["leave", False] == 0
    assert told["stop", False] and told["wait", True] and told["leave", True] and told["withdraw", False]
    for number, found in done.items():
        client.free()
        assert outcome(client, client.run(prompt(number))) == found
