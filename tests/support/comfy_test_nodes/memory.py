"""A shortage of RAM that ends by itself, as far as ComfyUI's node cache can see: a route to arm it."""

from __future__ import annotations

from types import SimpleNamespace

PLENTY = 10**15


class Shortage:
    """In psutil's place: no memory is free until the cache has given up a number of results."""

    def __init__(self, evictions: int):
        self.looks = evictions + 1  # one before the first is chosen

    def virtual_memory(self):
        self.looks -= 1
        return SimpleNamespace(available=0 if self.looks >= 0 else PLENTY)


def register_routes() -> None:
    from aiohttp import web
    from comfy_execution import caching
    from server import PromptServer

    @PromptServer.instance.routes.post("/cellstyle_test/short_of_memory")
    async def short_of_memory(request):
        caching.psutil = Shortage(int(request.query["evictions"]))
        return web.json_response({})
