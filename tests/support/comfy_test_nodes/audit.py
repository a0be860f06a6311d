"""What the server touches while it is watched: GET /cellstyle_test/watch, and /cellstyle_test/touched for the list."""

from __future__ import annotations

import os
import sys

CHANGES = (
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate",
    "os.utime", "os.putenv", "shutil.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork",
    "socket.connect", "pickle.find_class", "tempfile.",
)  # fmt: skip
_found: list[list] | None = None


def _hook(event: str, args: tuple) -> None:
    if _found is None:
        return
    if event == "open" and isinstance(args[0], str | bytes):
        writes = bool(set(str(args[1] or "")) & set("wxa+")) or bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        _found.append(["write" if writes else "read", os.path.realpath(os.fsdecode(args[0]))])
    elif event.startswith(CHANGES):
        paths = (os.path.realpath(os.fsdecode(a)) if isinstance(a, str | bytes | os.PathLike) else "" for a in args[:2])
        _found.append([event, *filter(None, paths)])


def register_routes() -> None:
    from aiohttp import web
    from server import PromptServer

    @PromptServer.instance.routes.get("/cellstyle_test/watch")
    async def watch(request):
        global _found
        if _found is None:
            sys.addaudithook(_hook)
        _found = []
        return web.json_response({})

    @PromptServer.instance.routes.get("/cellstyle_test/touched")
    async def touched(request):
        global _found
        found, _found = _found, []
        return web.json_response(found)
