"""Ray, where one machine is not enough: an actor a GPU, each with a ComfyUI of its own; the list stays with the driver.

Core actors and `ray.wait`, not Ray Data: an item that failed for a server's fault must go to another worker with its
count of attempts, 20 failures in a row must end the run, and the list must not be read before it is needed; docs/
fleet.md has the figures. Ray restarts actors; what they were making comes back to the list here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from .errors import FleetError, first_line
from .listing import Item
from .manifest import FAILED
from .tally import Stop, Tally
from .todo import Todo
from .worker import AGAIN, STOP, Outcome

ROOT = Path(__file__).resolve().parent.parent
PATHS = [str(ROOT / "tools"), str(ROOT)]
"""Where a worker's modules are, on every node: the checkout lies at the same place everywhere."""
_START_AGAIN = 2.0
_STARTS = 3
"""Ray gives its own processes 15 s to come up, which a busy machine may miss."""
_NO_CLUSTER = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""At 0, on any system: a Ray for this machine alone, all of whose processes listen on 127.0.0.1."""


@dataclass
class _Hand:
    """One actor as the driver sees it. probe: the call that says when it is ready; None while it may be given items."""

    name: str
    actor: Any
    probe: Any = None
    calls: int = 0
    not_before: float = 0.0
    trouble: str = ""
    items: dict[Any, Item] = field(default_factory=dict)


def connect(address: str, workers: int | None, stop: Stop):
    """Ray, started on this machine for this run alone ("local"), or the cluster at `address` ("auto": the one here).

    A Ray started here listens on the loopback alone and has no dashboard; of a cluster its owner decides.
    Raises: FleetError where Ray is not installed, does not start or does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address == "local":
        os.environ[_NO_CLUSTER] = "0"  # read when Ray is imported, and by its own processes
    try:
        import ray
    except ImportError:
        raise FleetError(
            "--ray needs Ray, which is not installed in this Python: pip install 'cellstyle[ray]', or pip install ray."
        ) from None
    kept = {name: value for name, value in os.environ.items() if name.startswith("CELLSTYLE_")}
    options: dict[str, Any] = {"runtime_env": {"env_vars": kept}, "log_to_driver": False, "logging_level": "warning"}
    if address == "local":
        options["include_dashboard"] = False
        if workers:
            options["num_cpus"] = max(workers, os.cpu_count() or 1)
    for left in reversed(range(_STARTS if address == "local" else 1)):
        try:
            ray.init(address=address, **options)
            break
        except Exception as error:  # a start that fails is a plain Exception
            ray.shutdown()
            if not left or stop():
                raise FleetError(_not_there(address, error)) from None
    here = ray.util.get_node_ip_address()
    if address == "local" and not ip_address(here).is_loopback:
        ray.shutdown()
        raise FleetError(
            f"This Ray ({ray.__version__}) listens on {here}, which other machines may reach, instead of the loopback "
            "alone. Use another version of Ray, or start one yourself and give its address: --ray ADDRESS."
        )
    return ray


def _not_there(address: str, error: Exception) -> str:
    if address != "local":
        return f"Ray at {address} cannot be used: {error}"
    return f"Ray does not start on this machine: {error} It may be too busy; Ray's logs are in /tmp/ray."


def worker_count(ray, workers: int | None) -> tuple[int, float]:
    """(workers, GPUs for each): as many as asked for, else one a GPU of the cluster, else one."""
    gpus = int(ray.cluster_resources().get("GPU", 0))
    count = workers or gpus or 1
    return count, 1.0 if gpus >= count else 0.0


class RayEngine:
    """Runs `count` actors until the list is empty or the run is stopped.

    factory: "module:function" that an actor imports and calls with `plan` (plain data) and its name to get its worker.
    paths: folders that it is imported from, the same on every node. cpus: processor cores to set aside for each.
    """

    def __init__(
        self,
        ray,
        factory: str,
        plan: dict[str, Any],
        count: int,
        gpus: float,
        cpus: float,
        todo: Todo,
        tally: Tally,
        stop: Stop,
        patience: float = 120.0,
        paths: Sequence[str] = PATHS,
    ):
        self.ray, self.todo, self.tally, self.stop, self.patience = ray, todo, tally, stop, patience
        actor = _actor_class(ray).options(num_gpus=gpus, num_cpus=cpus, max_restarts=-1, max_concurrency=32)
        self._plan = ray.put(plan)  # with the styles' bytes: once into the object store, for all actors of a node
        names = [f"ray-{n}" for n in range(count)]
        self.hands = [_Hand(name, actor.remote(list(paths), factory, [self._plan], name)) for name in names]

    def run(self) -> None:
        """Returns when all is done or the run is stopped; the actors are gone then."""
        last_sign = time.monotonic()
        try:
            while not self.stop() and not self.todo.exhausted:
                self._probe()
                self._fill()
                if self._collect():
                    last_sign = time.monotonic()
                usable = any(hand.probe is None and not hand.trouble for hand in self.hands)
                if not usable and time.monotonic() - last_sign > self.patience:
                    said = sorted({hand.trouble for hand in self.hands if hand.trouble}) or ["no worker has started"]
                    self.stop.now(f"No ComfyUI of the cluster can be used: {'; '.join(said)}")
        except (FleetError, OSError) as error:
            self.stop.now(str(error))
        finally:
            self.todo.close()
            self._end()

    def pending(self) -> list[Any]:
        """Every call that has not come back."""
        probes = [hand.probe for hand in self.hands if hand.probe is not None]
        return probes + [call for hand in self.hands for call in hand.items]

    def _probe(self) -> None:
        """Asks every actor that is new, or had trouble, whether it is ready."""
        now = time.monotonic()
        for hand in self.hands:
            if hand.probe is None and (not hand.calls or hand.trouble) and now >= hand.not_before:
                hand.probe = hand.actor.ready.remote()

    def _fill(self) -> None:
        for hand in self.hands:
            while hand.probe is None and hand.calls and not hand.trouble and len(hand.items) < hand.calls:
                item = self.todo.take(hand.name, patience=0)
                if item is None:
                    return
                hand.items[hand.actor.run.remote(asdict(item))] = item

    def _collect(self) -> bool:
        """Takes what has come back; waits a moment for the first. Whether anything good came."""
        pending = self.pending()
        if not pending:
            self.stop.wait(0.05)
            return False
        first, _ = self.ray.wait(pending, num_returns=1, timeout=0.5)
        ready = set(self.ray.wait(pending, num_returns=len(pending), timeout=0)[0]) if first else set()
        good = False
        for hand in self.hands:
            if hand.probe in ready:
                good |= self._answered(hand)
            for call in [call for call in hand.items if call in ready]:
                good |= self._finished(hand, call, hand.items.pop(call))
        return good

    def _answered(self, hand: _Hand) -> bool:
        probe, hand.probe = hand.probe, None
        known, hand.trouble = hand.trouble, ""
        try:
            hand.calls, hand.trouble = self.ray.get(probe)
        except self.ray.exceptions.RayError as error:
            hand.trouble = _short(error)
        if hand.trouble:
            hand.not_before = time.monotonic() + _START_AGAIN
            if hand.trouble != known:
                self.tally.down(hand.name, hand.trouble)
        return not hand.trouble

    def _finished(self, hand: _Hand, call: Any, item: Item) -> bool:
        try:
            answer = self.ray.get(call)
        except self.ray.exceptions.RayError as error:  # the actor or its node went; the picture had perhaps begun
            hand.trouble, hand.not_before = _short(error), time.monotonic() + _START_AGAIN
            self.tally.add(Outcome(AGAIN, item, hand.trouble, type(error).__name__))
            self.tally.again(item, hand.trouble)
            self.todo.come_back(item, hand.name, charged=False)
            return False
        outcome = Outcome(item=item, **answer)
        self.tally.add(outcome)
        if outcome.verdict == AGAIN:
            self.tally.again(item, outcome.error)
            self.todo.come_back(item, hand.name, outcome.charged)
        else:
            self.todo.finished(item, outcome.verdict == FAILED)
        if outcome.verdict == STOP:
            self.stop.now(outcome.error)
        return True

    def _end(self) -> None:
        closing = [hand.actor.close.remote() for hand in self.hands if hand.probe is None and hand.calls]
        if closing:
            self.ray.wait(closing, num_returns=len(closing), timeout=6)
        for hand in self.hands:
            self.ray.kill(hand.actor)


def once(ray, factory: str, plan: dict[str, Any], gpus: float, cpus: float, paths: Sequence[str] = PATHS) -> Any:
    """What the function `factory` makes of `plan`, in a process of the cluster that has a GPU.

    Raises: FleetError with what it raised there.
    """

    def work(paths, factory, plan):
        import importlib
        import sys

        sys.path[:0] = [path for path in paths if path not in sys.path]
        module, name = factory.split(":")
        try:
            return getattr(importlib.import_module(module), name)(plan), ""
        except Exception as error:
            return None, str(error)

    call = ray.remote(num_gpus=gpus, num_cpus=cpus, max_retries=2)(work).remote(list(paths), factory, plan)
    try:
        answer, trouble = ray.get(call)
    except ray.exceptions.RayError as error:
        answer, trouble = None, _short(error)
    if trouble:
        raise FleetError(trouble)
    return answer


def _actor_class(ray):
    @ray.remote
    class ComfyActor:
        def __init__(self, paths, factory, box, name):
            import importlib
            import sys

            import ray

            sys.path[:0] = [path for path in paths if path not in sys.path]
            module, function = factory.split(":")
            self.worker = getattr(importlib.import_module(module), function)(ray.get(box[0]), name)

        def ready(self):
            """(how many items it takes at a time, why it cannot be used or "")"""
            try:
                self.worker.ready()
            except Exception as error:
                return self.worker.threads, str(error)[:2000]
            return self.worker.threads, ""

        def run(self, item):
            outcome = self.worker.run(item)
            return {name: getattr(outcome, name) for name in ("verdict", "error", "kind", "charged", "rows")}

        def close(self):
            self.worker.close()

    return ComfyActor


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"[:500]
