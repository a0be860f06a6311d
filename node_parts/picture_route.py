"""The pack's one HTTP route: the picture that a loader on the canvas names, before any run.

GET /cellstyle/picture?picture=NAME            a picture of the pack
GET /cellstyle/picture?file=NAME&example=NAME  a micrograph, as Load Micrograph finds it

It reads what the two nodes may read, by the same rules. The answer is what a node shows after a run: names of previews
in ComfyUI's temp folder, put there by ComfyUI's own code. web/js/loader_pictures.js asks.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

import folder_paths
import torch
from comfy_api.latest import ui

from ..micrograph.load import Choices, load_micrograph
from .example_pictures import example_path, read_example
from .micrograph_files import NO_EXAMPLE, micrograph_path

ROUTE = "/cellstyle/picture"
LONGEST = 512  # pixels of the longer side of a micrograph's picture
# the middle plane of the first moment: a whole stack would be read for a projection
GLANCE = Choices(z="single", z_index=0, time="single", size="resize", longest_side=LONGEST)


class Previews:
    """Remembers the previews it made, so that the same question makes no second file."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, int, int], dict[str, Any]] = {}

    def show(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The preview that a query names, as a node's output {"images": [{"filename", "subfolder", "type"}]}: a
        picture of the pack in its size, a micrograph at most `LONGEST` pixels wide and high, with automatic contrast.

        Raises: ValueError: there is no such picture, it lies outside the allowed folders, or it cannot be read.
        """
        is_example = "picture" in query
        name, example = query.get("file", ""), query.get("example", NO_EXAMPLE)
        path = str(example_path(query["picture"])) if is_example else micrograph_path(name, example)
        facts = os.stat(path)
        key = (path, facts.st_mtime_ns, facts.st_size)
        if key not in self._shown or not _is_there(self._shown[key]):
            image = read_example(query["picture"]) if is_example else _glance(path)
            self._shown[key] = {"images": [dict(each) for each in ui.PreviewImage(image).as_dict()["images"]]}
        return self._shown[key]


def _glance(path: str) -> torch.Tensor:
    loaded = load_micrograph(path, os.path.basename(path), GLANCE)
    return torch.from_numpy(loaded.images[:1])


def _is_there(shown: dict[str, Any]) -> bool:
    temp = folder_paths.get_temp_directory()
    return all(os.path.isfile(os.path.join(temp, each["subfolder"], each["filename"])) for each in shown["images"])


def add_picture_route() -> None:
    """Let ComfyUI's server answer; without a server, as in scripts and tests, nothing happens."""
    from aiohttp import web
    from server import PromptServer

    if getattr(PromptServer, "instance", None) is None:
        return
    previews, one_at_a_time = Previews(), asyncio.Lock()

    @PromptServer.instance.routes.get(ROUTE)
    async def answer(request: web.Request) -> web.Response:
        try:
            async with one_at_a_time:
                return web.json_response(await asyncio.to_thread(previews.show, request.query))
        except (ValueError, OSError) as error:
            return web.json_response({"error": str(error)}, status=404)
