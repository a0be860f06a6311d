"""A batch beside a plain loop over the same prompts, two workers beside one, Ray's start, a thousand workers."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench_models import ROOT
from bench_tables import table
from comfy_client import ComfyClient
from comfy_server import ComfyServer
from host_layout import Host

STAND_IN = ROOT / "tests" / "support" / "stand_in_comfyui"
WAIT = "0.3"
_RAY = """
import time; began = time.time()
import ray; imported = time.time()
ray.init(address="local", include_dashboard=False, num_cpus=2, logging_level="error", log_to_driver=False)
started = time.time()
ray.get(ray.remote(lambda: 1).remote())
print(imported - began, started - imported, time.time() - started)
"""


def rows(options) -> list[dict]:
    """Tables on the terminal; the figures as dicts."""
    repeats = options.repeats or (1 if options.quick else 3)
    found: list[dict] = []
    kinds = {"wait node": 8} if options.quick else {"wait node": 24, "demo model": 24}
    heads = ["each picture is", "plain loop", "1 worker / plain", "2 workers / 1", "2 plain loops / 1"]
    table("i. A batch beside a plain loop, pictures a minute", heads, _paces(kinds, repeats, found))
    table("j. A batch's own cost", ["", "figure"], _costs(options.quick, found))
    return found


def _paces(kinds: dict[str, int], repeats: int, found: list[dict]) -> Iterator[list]:
    """kinds: how many pictures of each."""
    for kind, count in kinds.items():
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            place = Path(folder)
            servers = [stack.enter_context(_server(kind, place)) for _ in range(2)]
            job, contents = _job(kind, place, count)
            for server in servers:
                _plain(job, server.url, contents[:2], place / "warm")
            seconds: dict[str, list[float]] = {}
            for number in range(repeats):
                ways = _ways(job, [server.url for server in servers], contents, place, place / f"out-{number}")
                for name in list(ways) if number % 2 else reversed(list(ways)):
                    began = time.perf_counter()
                    ways[name]()
                    seconds.setdefault(name, []).append(time.perf_counter() - began)
            ratios = {
                "one worker / plain": _ratio(seconds["one"], seconds["plain"]),
                "two workers / one": _ratio(seconds["one"], seconds["two"]),
                "two plain / plain": _ratio(seconds["plain"], seconds["two plain"]),
            }
            found.append({"kind": kind, "pictures": count, "seconds": seconds, **ratios})
            pace = 60 * count / statistics.median(seconds["plain"])
            yield [kind, f"{pace:.0f}", *(f"{value:.2f}" for value in ratios.values())]


def _ways(job, urls: list[str], contents: list[Path], place: Path, out: Path) -> dict[str, Callable[[], None]]:
    return {
        "plain": lambda: _plain(job, urls[0], contents, out / "plain"),
        "one": lambda: _batch(job, urls[:1], place / "data", out / "one"),
        "two": lambda: _batch(job, urls, place / "data", out / "two"),
        "two plain": lambda: _two_plain(job, urls, contents, out / "plain2"),
    }


def _costs(quick: bool, found: list[dict]) -> Iterator[list]:
    workers, items = (100, 1000) if quick else (1000, 20000)
    seconds, cpu = _many(workers, items)
    found.append({"workers": workers, "items": items, "seconds": seconds, "cpu_seconds": cpu})
    yield [f"{workers} simulated workers, {items} pictures, processor time a picture", f"{1e3 * cpu / items:.2f} ms"]
    yield ["the same, pictures a second", f"{items / seconds:.0f}"]
    python = os.environ.get("CELLSTYLE_RAY_PYTHON")
    if python:
        env = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}  # the loopback
        said = subprocess.run([python, "-c", _RAY], capture_output=True, text=True, timeout=300, env=env).stdout.split()
        if len(said) == 3:
            found.append(dict(zip(("ray_import", "ray_init", "ray_first_task"), map(float, said), strict=True)))
            yield ["Ray: import, init, first task", ", ".join(f"{float(text):.1f} s" for text in said)]
    else:
        yield ["Ray", "not installed (CELLSTYLE_RAY_PYTHON)"]


def _server(kind: str, place: Path) -> ComfyServer:
    env = {"OMP_NUM_THREADS": "1", "STAND_IN_WAIT": WAIT}
    if kind == "wait node":
        return ComfyServer(Host(Path(sys.executable), STAND_IN, "0"), pack=None, cpu=True, env=env, runs=place / "runs")
    return ComfyServer(env=env, runs=place / "runs")


def _job(kind: str, place: Path, count: int):
    """The job, and the contents as (name, bytes)."""
    import numpy as np
    import tifffile
    from cellstyle.fleet.job import Job, Style
    from cellstyle.fleet.workflow import understand

    graph = json.loads((ROOT / "workflows" / "api" / "micrograph_fidelity.json").read_text(encoding="utf-8"))
    for node in graph.values():
        if node["class_type"] == "CellStyleLoadMicrograph":
            node["inputs"] |= {"size": "resize and pad", "longest_side": 128}
    (place / "data").mkdir()
    contents = []
    for number in range(count):
        picture = np.random.default_rng(number).integers(0, 60000, (128, 128), dtype=np.uint16)
        tifffile.imwrite(place / "data" / f"cell_{number:03}.tif", picture)
        contents.append(place / "data" / f"cell_{number:03}.tif")
    workflow = understand(graph, scored=False)
    return Job(workflow, {"": Style()}, "bench", str(place / "out"), "bench", lanes=2), contents


def _plain(job, url: str, contents: list[Path], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with ComfyClient(url) as client:
        for path in contents:
            name = client.upload_image(path, f"plain-{out.name}{path.suffix}")
            prompt = job.prompt(name, {"": ""}, f"plain/{out.name}-{time.time_ns()}", scored=False)
            result = client.run(prompt.graph)
            (out / f"{path.name}.png").write_bytes(client.fetch_image(result.images[0]))


def _two_plain(job, urls: list[str], contents: list[Path], out: Path) -> None:
    """The contents shared out to two loops at once."""
    threads = [
        threading.Thread(target=_plain, args=(job, url, contents[number::2], out / str(number)))
        for number, url in enumerate(urls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _batch(job, urls: list[str], data: Path, out: Path) -> None:
    from dataclasses import replace

    from cellstyle.fleet.station import ServerStation
    from cellstyle.fleet.worker import Worker

    job = replace(job, out=str(out))
    done = _run(lambda stop: [Worker(job, ServerStation(url, url), stopping=stop) for url in urls], data, out)
    assert done == len(list(data.iterdir())), "not all pictures were made"


def _many(workers: int, items: int) -> tuple[float, float]:
    """(seconds, processor seconds) of a run whose workers only wait, 0.4 s a picture."""
    from types import SimpleNamespace

    from cellstyle.fleet.manifest import DONE
    from cellstyle.fleet.worker import Outcome

    class Stub:
        threads = 1

        def __init__(self, number: int):
            self.station = SimpleNamespace(name=f"stub-{number}", owned=False)

        def ready(self) -> None:
            pass

        def close(self) -> None:
            pass

        def run(self, item) -> Outcome:
            time.sleep(0.4)
            return Outcome(DONE, item)

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        data.mkdir()
        for number in range(items):
            (data / f"{number:06}.tif").touch()
        began, before = time.perf_counter(), time.process_time()
        assert _run(lambda stop: [Stub(number) for number in range(workers)], data, Path(folder, "out")) == items
        return time.perf_counter() - began, time.process_time() - before


def _run(make, data: Path, out: Path) -> int:
    from cellstyle.fleet.claims import Claims
    from cellstyle.fleet.listing import items
    from cellstyle.fleet.local_engine import LocalEngine
    from cellstyle.fleet.out_folder import OutFolder, SignsOfLife
    from cellstyle.fleet.tally import Stop, Tally
    from cellstyle.fleet.todo import Todo

    folder, stop = OutFolder(out), Stop()
    signs, tally = SignsOfLife(folder), Tally(stop, quiet=True)
    signs.start()
    workers = make(stop)
    todo = Todo(items([str(data)], out, [""]), Claims(folder, signs), len(workers))
    LocalEngine(workers, todo, tally, stop).run()
    signs.stop()
    return tally.done


def _ratio(a: list[float], b: list[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))
