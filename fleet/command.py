"""The command: from its options to a folder of results and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from comfy_client import ComfyClient
from comfy_events import ComfyError
from host_layout import HostError, find, pack_version

from .build import Servers, plan_of, worker_of
from .claims import Claims
from .errors import ALL_GOOD, COULD_NOT_RUN, INTERRUPTED, FleetError
from .job import FILE, PICTURE, Job, Style
from .listing import items, missing
from .local_engine import LocalEngine
from .manifest import check_table, write_table
from .options import parse
from .out_folder import OutFolder, SignsOfLife
from .prompts import scoring_settings
from .recipe import keep_recipe, recipe_of
from .station import ServerStation, Station, versions
from .styles import captured, read_styles
from .tally import Stop, Tally
from .todo import Todo
from .worker import Worker
from .workflow import LOADERS, Workflow, label, read_graph, understand, upstream


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a batch; returns the exit code (errors.py)."""
    options = parse(arguments)
    stop = Stop()
    with _signals(stop):
        try:
            return _dry_run(options) if options.dry_run else _run(options, stop)
        except (FleetError, HostError) as error:
            print(f"Cannot run: {error}" if not stop() else "Interrupted.", file=sys.stderr, flush=True)
            return stop.code or COULD_NOT_RUN
        except OSError as error:
            print(f"Cannot run: {error.filename or ''}: {error.strerror or error}", file=sys.stderr, flush=True)
            return COULD_NOT_RUN


def _workflow(options: argparse.Namespace) -> tuple[Workflow, dict[str, Style]]:
    graph = read_graph(options.workflow)
    named = (options.content_node, options.style_node, options.result_node)
    workflow = understand(graph, *named, scored=options.scores > 0)
    return workflow, read_styles(workflow, options.style, _libraries(options))


def _dry_run(options: argparse.Namespace) -> int:
    workflow, styles = _workflow(options)
    there = todo = results = 0
    for item in items(options.content, options.out, styles, options.shard):
        left = missing(item)
        there, todo = there + (left is None), todo + (left is not None)
        results += len(left.outputs) if left else 0
    shard = f" in shard {options.shard[0]}/{options.shard[1]}" if options.shard[1] > 1 else ""
    several = f" ({results} results in {len(styles)} styles)" if len(styles) > 1 else ""
    print(
        f"{todo} pictures to make{several}{shard}, {there} there already. Content goes into node "
        f"{label(workflow.graph, workflow.content)}, results come from {label(workflow.graph, workflow.result)}."
    )
    return ALL_GOOD


def _run(options: argparse.Namespace, stop: Stop) -> int:
    workflow, styles = _workflow(options)
    if options.manifest:
        check_table(options.manifest)
    for _ in items(options.content, options.out, styles):
        break
    else:
        raise FleetError(f"No picture matches --content {' '.join(options.content)}.")
    if not options.server:
        _check_files(workflow, styles)
    out = OutFolder(options.out.absolute())
    out.folder("")
    out.remove_abandoned()
    signs = SignsOfLife(out)
    signs.start()
    try:
        tally = Tally(stop, options.quiet)
        job = Job(workflow, styles, "", str(out.root), out.runner, options.shard, time_limit=options.time_limit)
        job = replace(job, scored=workflow.fidelity is not None and options.scores > 0, sample=options.scores)
        job = replace(job, settings=scoring_settings(workflow) if job.scored else {})
        todo = Todo(items(options.content, out.root, styles, options.shard), Claims(out, signs), 1)
        tally.count(items(options.content, out.root, styles, options.shard))
        engine = _ray_engine if options.ray else _server_engine if options.server else _own_engine
        engine(options, job, out, todo, tally, stop)
        todo.release_all()
        print(tally.summary(todo.there, todo.elsewhere), flush=True)
        if stop.reason and stop.code != INTERRUPTED:
            print(stop.reason, file=sys.stderr, flush=True)
        if tally.failed:
            print(f"What failed, and why: {out.state / 'manifest'}", flush=True)
        if options.manifest and not stop():
            print(f"{write_table(out.root, options.manifest)} results in {options.manifest}", flush=True)
        return tally.code()
    finally:
        signs.stop()


def _recipe(job: Job, out: OutFolder, comfyui: str, pack: str) -> Job:
    record = recipe_of(job.workflow, {b: s.sha256 or "the workflow's" for b, s in job.styles.items()}, pack, comfyui)
    keep_recipe(out, record)
    return replace(job, recipe=record["recipe"], comfyui=comfyui, pack=pack)


def _own_engine(options: argparse.Namespace, job: Job, out: OutFolder, todo: Todo, tally: Tally, stop: Stop) -> None:
    """ComfyUIs of this machine."""
    job = _recipe(job, out, find().version, pack_version())
    count = options.gpus or options.workers or 1
    servers = _servers(options, job, count)
    stations = [servers.station(f"local-{n}", _gpu(n) if options.gpus else None) for n in range(count)]
    try:
        if any(style.kind == PICTURE for style in job.styles.values()):
            tally.say("Capturing the styles")
            job = replace(job, styles=captured(job.workflow, dict(job.styles), stations[0], out))
    except BaseException:
        stations[0].close()
        raise
    _local(job, stations, servers.scorers, todo, tally, stop)


def _server_engine(options: argparse.Namespace, job: Job, out: OutFolder, todo: Todo, tally: Tally, stop: Stop) -> None:
    """ComfyUIs that run already."""
    stations = [ServerStation(url, url) for url in dict.fromkeys(options.server)]
    found = {}
    for station in stations:
        with contextlib.suppress(ComfyError, ValueError, KeyError):
            found[station.url] = versions(ComfyClient(station.url, timeout=10.0))
    if not found:
        raise FleetError(f"No ComfyUI answers at {', '.join(station.url for station in stations)}.")
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{url} has {version}" for url, version in found.items())
        raise FleetError(f"These ComfyUIs would not make the same pictures: {listed}. Use those of one version.")
    job = _recipe(job, out, next(iter(found.values())), "unknown")
    _local(job, stations, _scorers(options, job, 1) if job.scored else 0, todo, tally, stop)


def _ray_engine(options: argparse.Namespace, job: Job, out: OutFolder, todo: Todo, tally: Tally, stop: Stop) -> None:
    """An actor with a ComfyUI for each GPU of a Ray cluster."""
    from .ray_engine import RayEngine, connect, once, worker_count

    job = _recipe(job, out, find().version, pack_version())
    ray = connect(options.ray, options.workers, stop)
    try:
        count, gpus = worker_count(ray, options.workers)
        todo.workers = count
        servers = _servers(options, job, count)
        cpus = 1.0 + servers.scorers
        plan = plan_of(job, servers)
        if any(style.kind == PICTURE for style in job.styles.values()):
            tally.say("Capturing the styles")
            styles = once(ray, "fleet.build:remote_capture", plan, gpus, cpus)
            plan = plan_of(replace(job, styles={branch: Style(**data) for branch, data in styles.items()}), servers)
        RayEngine(ray, "fleet.build:remote_worker", plan, count, gpus, cpus, todo, tally, stop).run()
    finally:
        ray.shutdown()


def _local(job: Job, stations: Sequence[Station], scorers: int, todo: Todo, tally: Tally, stop: Stop) -> None:
    todo.workers = len(stations)
    workers: list[Worker] = [worker_of(job, station, scorers, stop) for station in stations]
    LocalEngine(workers, todo, tally, stop).run()


def _servers(options: argparse.Namespace, job: Job, count: int) -> Servers:
    return Servers(
        tuple(str(folder.absolute()) for folder in _model_folders(options)),
        tuple(str(folder.absolute()) for folder in options.custom_nodes),
        scorers=_scorers(options, job, count) if job.scored else 0,
    )


def _scorers(options: argparse.Namespace, job: Job, count: int) -> int:
    """Processes that measure beside each ComfyUI: what the machine has cores for, at most four."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, max(1, cores // max(1, count) - 1))


def _model_folders(options: argparse.Namespace) -> list[Path]:
    """Those that were given; else, with a ComfyUI of the user's own, its models."""
    for folder in options.models:
        if not folder.is_dir():
            raise FleetError(f"--models {folder} is not a folder.")
    if options.models or options.server:
        return options.models
    with contextlib.suppress(HostError):
        host = find()
        if not host.owned and (host.comfyui / "models").is_dir():
            return [host.comfyui / "models"]
    return []


def _libraries(options: argparse.Namespace) -> list[Path]:
    """Folders of style files by which a bare name is found."""
    return [folder / "cellstyle" for folder in _model_folders(options)]


def _check_files(workflow: Workflow, styles: dict[str, Style]) -> None:
    """FleetError where the workflow needs a picture that only the ComfyUI of its author has."""
    graph = workflow.graph
    needed = upstream(graph, [workflow.result])
    if any(style.kind in (FILE, PICTURE) for style in styles.values()):
        needed -= upstream(graph, [workflow.style]) - upstream(
            {node: fields for node, fields in graph.items() if node != workflow.style}, [workflow.result]
        )
    for node in needed - {workflow.content}:
        fields = graph[node]
        kind = fields["class_type"]
        if kind in LOADERS and kind != "CellStyleLoadExample" and fields["inputs"].get("example", "none") == "none":
            name = fields["inputs"].get(LOADERS[kind])
            raise FleetError(
                f"Node {label(graph, node)} loads {name}, which lies in your ComfyUI's input folder and not in that of "
                "the ComfyUI started here. If it is the style, give it as --style; else use your ComfyUI with --server."
            )


def _gpu(number: int) -> dict[str, str]:
    """What makes a ComfyUI see one GPU of those that this process may use."""
    env = {}
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        visible = [text for text in os.environ.get(name, "").split(",") if text]
        if visible and number >= len(visible):
            raise FleetError(f"--gpus asks for GPU {number + 1}, but {name}={os.environ[name]} allows {len(visible)}.")
        if visible or name == "CUDA_VISIBLE_DEVICES":
            env[name] = visible[number] if visible else str(number)
    return env


@contextlib.contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run in order, a second one at once.

    Set here, and not left to Python: what a shell starts in its background inherits an ignored Ctrl-C.
    """

    def handler(number: int, frame: object) -> None:
        if stop():
            os._exit(INTERRUPTED)
        stop.now("Interrupted.", INTERRUPTED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
