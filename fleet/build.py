"""Workers from plain data, in this process or in one of another machine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from host_layout import find

from .job import Job, Style
from .listing import Item
from .out_folder import OutFolder
from .scores import Scorer
from .station import OwnStation, Station, run_folder
from .styles import captured
from .worker import Outcome, Worker
from .workflow import Workflow

_OLD_NAMES = {"clip": "text_encoders", "unet": "diffusion_models", "t2i_adapter": "controlnet"}
"""Folders of models that ComfyUI knows under another name."""


@dataclass(frozen=True)
class Servers:
    """What own ComfyUIs are started with. models: more folders of models; custom_nodes: more packs.

    scorers: processes that measure beside each. env: for all of them.
    """

    models: tuple[str, ...] = ()
    custom_nodes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    scorers: int = 0
    env: Mapping[str, str] = field(default_factory=dict)

    def station(self, name: str, env: Mapping[str, str] | None = None) -> OwnStation:
        """A ComfyUI that is not started yet."""
        options = [*self.options, *_model_options(self.models)]
        return OwnStation(name, options, {**self.env, **(env or {})}, self.custom_nodes)


def worker_of(
    job: Job, station: Station, scorers: int, stopping: Callable[[], bool] = lambda: False, **more: Any
) -> Worker:
    """A worker that scores beside its station where the job asks for it."""
    python = str(find().python) if scorers and station.owned else None
    scorer = None
    if job.scored and scorers:
        scorer = Scorer(scorers, dict(job.settings), **({"python": python} if python else {}))
    return Worker(job, station, scorer, stopping=stopping, **more)


def plan_of(job: Job, servers: Servers) -> dict[str, Any]:
    """Both as data that any process can read."""
    return {"job": asdict(job), "servers": asdict(servers)}


def remote_worker(plan: dict[str, Any], name: str) -> _RemoteWorker:
    """What a Ray actor holds: a worker with a ComfyUI of its own, on the GPU that Ray gave to the process."""
    servers = Servers(**plan["servers"])
    return _RemoteWorker(worker_of(job_of(plan["job"]), servers.station(name), servers.scorers))


def remote_capture(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Style files for the style pictures of a plan, by branch, as data."""
    job, station = job_of(plan["job"]), Servers(**plan["servers"]).station("capture")
    try:
        found = captured(job.workflow, dict(job.styles), station, OutFolder(Path(job.out), job.runner))
    finally:
        station.close()
    return {branch: asdict(style) for branch, style in found.items()}


def job_of(data: dict[str, Any]) -> Job:
    """A job from `asdict(job)`."""
    styles = {branch: Style(**style) for branch, style in data["styles"].items()}
    return Job(**{**data, "workflow": Workflow(**data["workflow"]), "styles": styles, "shard": tuple(data["shard"])})


class _RemoteWorker:
    """A worker that takes items as data. `close` also ends the picture it is making."""

    def __init__(self, worker: Worker):
        self._worker, self._ending = worker, False
        worker.stopping = lambda: self._ending
        self.threads = worker.threads

    def ready(self) -> None:
        self._worker.ready()

    def run(self, item: dict[str, Any]) -> Outcome:
        return self._worker.run(Item(**item))

    def close(self) -> None:
        self._ending = True
        self._worker.close()


def _model_options(folders: tuple[str, ...]) -> list[str]:
    """ComfyUI's options for more folders of models, each laid out as its own: checkpoints/, vae/, ..."""
    config = {}
    for number, folder in enumerate(folders):
        inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        kinds: dict[str, list[str]] = {}
        for name in inside:
            kinds.setdefault(_OLD_NAMES.get(name, name), []).append(str(Path(folder, name).resolve()))
        config[f"fleet_{number}"] = {kind: "\n".join(paths) for kind, paths in kinds.items()}
    if not config:
        return []
    text = json.dumps(config)  # JSON is YAML
    path = run_folder() / f"models-{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return ["--extra-model-paths-config", str(path)]
