"""How a Ray of this machine is started, with a module in Ray's place: tests/test_fleet_ray.py starts real ones."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from cellstyle.fleet.errors import FleetError
from cellstyle.fleet.ray_engine import connect
from cellstyle.fleet.tally import Stop

NO_CLUSTER = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@pytest.fixture
def ray(monkeypatch):
    """Ray's place; `failures` starts fail before one does not."""
    calls: list[str] = []

    def init(**options):
        calls.append(f"{options['address']} {os.environ.get(NO_CLUSTER)}")
        if len(calls) <= found.failures:
            raise Exception("The current node timed out during startup.")

    util = SimpleNamespace(get_node_ip_address=lambda: found.address)
    found = SimpleNamespace(init=init, shutdown=lambda: None, util=util, __version__="9")
    found.calls, found.failures, found.address = calls, 0, "127.0.0.1"
    monkeypatch.setitem(__import__("sys").modules, "ray", found)
    for name in (NO_CLUSTER, "RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        monkeypatch.setenv(name, "before")
    return found


def test_a_start_that_a_busy_machine_misses_is_tried_again_three_times_in_all(ray):
    ray.failures = 2
    assert connect("local", 2, Stop()) is ray and ray.calls == ["local 0"] * 3
    ray.calls.clear()
    ray.failures = 3
    with pytest.raises(FleetError, match="Ray does not start on this machine: The current node timed out"):
        connect("local", 2, Stop())
    assert len(ray.calls) == 3


def test_a_run_that_is_stopped_does_not_start_ray_again(ray):
    ray.failures, stop = 9, Stop()
    stop.now("Interrupted.")
    with pytest.raises(FleetError):
        connect("local", None, stop)
    assert len(ray.calls) == 1


def test_a_ray_that_others_may_reach_is_refused_and_a_cluster_is_its_owners(ray):
    ray.address = "192.0.2.7"
    with pytest.raises(FleetError, match=r"listens on 192\.0\.2\.7, which other machines may reach"):
        connect("local", None, Stop())
    os.environ[NO_CLUSTER] = "before"
    assert connect("auto", None, Stop()) is ray and ray.calls[-1] == "auto before"
