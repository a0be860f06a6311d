"""All that a worker needs to know of a run, as plain data: it travels to other processes and machines."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .prompts import Prompt, captures, loads, prompt_for
from .workflow import Workflow

FILE, PICTURE, AS_IT_IS = "file", "picture", "as it is"


@dataclass(frozen=True)
class Style:
    """A branch's style. kind: FILE (a style file), PICTURE (captured by each server's own prompt), AS_IT_IS.

    sha256: of what the style is made from, for the recipe; for a captured file that is its picture.
    """

    kind: str = AS_IT_IS
    data: bytes = b""
    name: str = ""
    sha256: str = ""

    def upload_name(self) -> str:
        """A name for the bytes in an input folder, the same for the same bytes: a server may keep its result."""
        extension = self.name.rpartition(".")[2]
        return f"cellstyle-batch-{hashlib.sha256(self.data).hexdigest()[:16]}.{extension}"


@dataclass(frozen=True)
class Job:
    """What is made: the workflow, a style a branch, the recipe's hash; and how: limits and where to.

    scored: whether Fidelity's pictures are asked for at all. sample: for which part of the pictures, 0 to 1.
    time_limit: seconds that one picture may take once it has begun. tries: attempts a picture has.
    lanes: prompts that wait or run on one server at a time; with two, the next picture is there when one ends.
    """

    workflow: Workflow
    styles: Mapping[str, Style]
    recipe: str
    out: str
    runner: str
    shard: tuple[int, int] = (0, 1)
    pack: str = "unknown"
    comfyui: str = "unknown"
    scored: bool = False
    sample: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    time_limit: float = 1800.0
    tries: int = 3
    lanes: int = 2

    def prompt(self, content: str, branches: Mapping[str, str], prefix: str, scored: bool) -> Prompt:
        """The prompt for a picture. branches: for each the name of its style on the server, "" for AS_IT_IS."""
        changes = {}
        for branch, name in branches.items():
            kind = self.styles[branch].kind
            if kind == FILE:
                changes[branch] = loads(self.workflow, f"{name} [input]")
            elif kind == PICTURE:
                changes[branch] = captures(self.workflow, name)
            else:
                changes[branch] = {}
        return prompt_for(self.workflow, content, changes, prefix, scored)
