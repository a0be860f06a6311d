"""Clients that use one server at the same time, each in a thread: they queue, cancel, leave and come back."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from comfy_client import ComfyClient, ComfyError, Interrupted, Result
from comfy_server import ComfyServer
from soak_prompts import outcome, prompt
from test_server import GRAPH, changed

ACTIONS = ("wait", "wait", "leave", "withdraw", "stop")


@dataclass
class Visit:
    """What came of one prompt: `found` is the digest of its result, None when it has none."""

    number: int
    action: str
    found: str | None


@dataclass
class Guest:
    """One client's prompts, its visits, and every prompt that the server ever told it about."""

    server: ComfyServer
    numbers: list[int]
    actions: list[str]
    visits: list[Visit] = field(default_factory=list)
    own: set[str] = field(default_factory=set)
    heard: set[str] = field(default_factory=set)
    has_left: bool = False

    def run(self) -> Guest:
        """Queue two or three prompts at a time and do with each what is its turn."""
        dice = random.Random(self.numbers[0])
        with ComfyClient(self.server.url, self.server.check_alive) as client:
            turns = zip(self.numbers, self.actions, strict=True)
            while burst := list(itertools.islice(turns, dice.choice((2, 3)))):
                queued = [(*turn, client.submit(_graph(*turn))) for turn in burst]
                self.has_left = False
                self.own.update(prompt_id for *_, prompt_id in queued)
                for number, action, prompt_id in queued:
                    time.sleep(dice.uniform(0, 0.3))
                    result = getattr(self, f"_{action}")(client, prompt_id)
                    self.visits.append(Visit(number, action, result and outcome(client, result)))
            self.heard |= client.stream.heard
        return self

    def _wait(self, client: ComfyClient, prompt_id: str) -> Result | None:
        # whoever was away has missed messages
        return _settled(client, prompt_id) if self.has_left else client.wait(prompt_id, timeout=300)

    def _leave(self, client: ComfyClient, prompt_id: str) -> Result | None:
        """Hang up, come back under the same name, and find the result in the server's history."""
        self.heard |= client.stream.heard
        client.close()
        self.has_left = True
        time.sleep(0.05)
        self.heard |= client.stream.heard  # opens the stream anew
        return _settled(client, prompt_id)

    def _withdraw(self, client: ComfyClient, prompt_id: str) -> Result | None:
        client.cancel(prompt_id)
        return _settled(client, prompt_id)

    def _stop(self, client: ComfyClient, prompt_id: str) -> Result | None:
        """Cancel in the middle of the network's calls."""
        try:
            for event in client.events(prompt_id, timeout=300):
                if event.kind == "progress":
                    client.cancel(prompt_id)
            return _settled(client, prompt_id)
        except Interrupted:
            return None


def _graph(number: int, action: str) -> dict:
    """The prompt of that number; one that is to be stopped has so many steps that it can't end by itself."""
    if action == "stop":
        return changed(GRAPH, content__seed=number, invert__steps=400, capture__steps=400)
    return prompt(number)


def _settled(client: ComfyClient, prompt_id: str, timeout: float = 300.0) -> Result | None:
    """The result of a prompt once it has left the queue, None when it was cancelled."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        queue = client.queue()
        if prompt_id not in {item[1] for item in (*queue["queue_running"], *queue["queue_pending"])}:
            entry = client.history(prompt_id)
            if entry is None:
                return None
            if entry["status"]["status_str"] == "success":
                return Result(prompt_id, entry["outputs"])
            assert not {"digest", "out"} & set(entry["outputs"]), "a cancelled prompt has a result"
            return None
        time.sleep(0.1)
    raise ComfyError(f"Prompt {prompt_id} was still queued after {timeout:.0f} s.")


def crowd(server: ComfyServer, clients: int, prompts_each: int, seed: int) -> list[Guest]:
    """All clients at once; every action of ACTIONS is some client's turn at a place drawn from the seed."""
    dice = random.Random(seed)
    turns = [ACTIONS[i % len(ACTIONS)] for i in range(clients * prompts_each)]
    dice.shuffle(turns)
    numbers = [seed + i for i in range(clients * prompts_each)]
    guests = [Guest(server, numbers[i::clients], turns[i::clients]) for i in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(Guest.run, guests))


def visits(guests: list[Guest]) -> Iterator[Visit]:
    """Everyone's."""
    for guest in guests:
        yield from guest.visits
