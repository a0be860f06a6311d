"""A stand-in for ComfyUI that starts in a second: its API, a queue, and pictures made from the bytes of their inputs.

A content decides what happens: "text..." is refused by the node, "hang..." never ends, "die..." ends the process,
"memory..." is out of memory, "full..." meets a full disk; all but the first only as often as FAULTS says (a folder in
which each fault leaves a mark). Anything else takes STAND_IN_WAIT seconds and becomes a picture.
"""

import asyncio
import hashlib
import json
import os
import sys
import uuid
from pathlib import Path

import aiohttp
from aiohttp import web
from PIL import Image
from PIL.PngImagePlugin import PngInfo

BASE = Path(sys.argv[sys.argv.index("--base-directory") + 1])
PORT = int(sys.argv[sys.argv.index("--port") + 1])
WAIT, MOST_FAULTS = float(os.environ.get("STAND_IN_WAIT", "0")), int(os.environ.get("STAND_IN_FAULTS", "1"))
FAULTS = Path(os.environ["STAND_IN_MARKS"]) if "STAND_IN_MARKS" in os.environ else None
sockets: dict[str, web.WebSocketResponse] = {}
history: dict[str, dict] = {}
queue: asyncio.Queue = asyncio.Queue()
running: list[str] = []
interrupted = asyncio.Event()


class NodeError(Exception):
    def __init__(self, node: str, kind: str, message: str):
        super().__init__(message)
        self.node, self.kind = node, kind


def fault(word: str) -> bool:
    """Whether a content with this word makes trouble once more."""
    if FAULTS is None:
        return True
    marks = len(list(FAULTS.glob(f"{word}-*")))
    if marks < MOST_FAULTS:
        (FAULTS / f"{word}-{uuid.uuid4().hex}").touch()
    return marks < MOST_FAULTS


def bytes_of(prompt: dict, node: str) -> bytes:
    """What a node stands for: all that it was made from, files by their bytes; names count not."""
    fields = prompt[node]
    found = [fields["class_type"].encode()]
    for name, value in sorted(fields["inputs"].items()):
        if isinstance(value, list):
            found.append(bytes_of(prompt, value[0]))
        elif name in ("file", "image") and isinstance(value, str) and value:
            path = BASE / "input" / value.removesuffix(" [input]")
            if not path.is_file():
                raise NodeError(node, "ValueError", f"file {value!r} is not in ComfyUI's input folder.")
            found.append(path.read_bytes())
        elif name != "filename_prefix":
            found.append(f"{name}={value}".encode())
    return hashlib.sha256(b"|".join(found)).digest()


async def run(prompt: dict, extra: dict) -> dict:
    outputs = {}
    for node, fields in prompt.items():
        if fields["class_type"] != "CellStyleLoadMicrograph":
            continue
        name = fields["inputs"]["file"]
        word = (BASE / "input" / name).read_bytes()[:12].decode("latin-1")
        if word.startswith("text"):
            raise NodeError(node, "ValueError", f"{name} is not a TIFF, PNG or JPEG file. Save it as TIFF.")
        if word.startswith("memory") and fault("memory"):
            raise NodeError(node, "torch.cuda.OutOfMemoryError", "Allocation on device")
        if word.startswith("full") and fault("full"):
            raise NodeError(node, "OSError", "[Errno 28] No space left on device")
        if word.startswith("die") and fault("die"):
            await asyncio.sleep(0.1)  # what it said before must be on its way
            os._exit(139)
        if word.startswith("hang") and fault("hang"):
            await interrupted.wait()
            raise NodeError(node, "InterruptProcessingException", "")
    await asyncio.sleep(WAIT)
    for node, fields in prompt.items():
        if fields["class_type"] == "SaveImage":
            outputs[node] = {
                "images": [save(bytes_of(prompt, node), fields["inputs"]["filename_prefix"], prompt, extra)]
            }
    return outputs


def save(pixels: bytes, prefix: str, prompt: dict, extra: dict) -> dict:
    folder = BASE / "output" / os.path.dirname(prefix)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{os.path.basename(prefix)}_{len(list(folder.iterdir())) + 1:05}_.png"
    facts = PngInfo()
    facts.add_text("prompt", json.dumps(prompt))
    facts.add_text("when", uuid.uuid4().hex)  # two files of one picture differ
    for key, value in extra.items():
        facts.add_text(key, json.dumps(value))
    Image.frombytes("L", (8, 4), pixels).convert("RGB").save(folder / name, pnginfo=facts)
    return {"filename": name, "subfolder": os.path.dirname(prefix), "type": "output"}


async def work() -> None:
    while True:
        prompt_id, body = await queue.get()
        running[:] = [prompt_id]
        interrupted.clear()

        async def tell(kind: str, prompt_id=prompt_id, body=body, **data) -> None:
            socket = sockets.get(body.get("client_id", ""))
            if socket is not None and not socket.closed:
                await socket.send_json({"type": kind, "data": {"prompt_id": prompt_id, **data}})

        await tell("execution_start")
        extra = (body.get("extra_data") or {}).get("extra_pnginfo") or {}
        try:
            outputs = await run(body["prompt"], extra)
        except NodeError as error:
            history[prompt_id] = {"outputs": {}}
            kind = body["prompt"][error.node]["class_type"]
            words = {"node_id": error.node, "node_type": kind, "exception_type": error.kind}
            stopped = error.kind == "InterruptProcessingException"
            await tell("execution_interrupted" if stopped else "execution_error", exception_message=str(error), **words)
        else:
            history[prompt_id] = {"outputs": outputs}
            await tell("execution_success")
        running.clear()


async def stats(request):
    return web.json_response({"system": {"comfyui_version": os.environ.get("STAND_IN_VERSION", "0")}, "devices": []})


async def ws(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    sockets[request.query["clientId"]] = socket
    async for _ in socket:
        pass
    return socket


async def post_prompt(request):
    body = await request.json()
    nodes = {
        node: {"class_type": fields["class_type"], "errors": [{"message": "unknown", "details": "no such node"}]}
        for node, fields in body["prompt"].items()
        if fields["class_type"] == "NoSuchNode"
    }
    if nodes:
        return web.json_response({"error": {"message": "invalid"}, "node_errors": nodes}, status=400)
    prompt_id = str(uuid.uuid4())
    queue.put_nowait((prompt_id, body))
    return web.json_response({"prompt_id": prompt_id, "node_errors": {}})


async def upload(request):
    post = await request.post()
    image = post["image"]
    (BASE / "input" / image.filename).write_bytes(image.file.read())
    return web.json_response({"name": image.filename, "subfolder": "", "type": "input"})


async def view(request):
    ask = request.query
    path = BASE / ask.get("type", "output") / ask.get("subfolder", "") / ask["filename"]
    return web.Response(body=path.read_bytes()) if path.is_file() else web.Response(status=404)


async def get_history(request):
    prompt_id = request.match_info.get("id")
    return web.json_response({prompt_id: history[prompt_id]} if prompt_id in history else {} if prompt_id else history)


async def post_history(request):
    for prompt_id in (await request.json()).get("delete", []):
        history.pop(prompt_id, None)
    return web.Response()


async def get_queue(request):
    waiting = [[0, prompt_id] for prompt_id, _ in list(queue._queue)]
    return web.json_response({"queue_running": [[0, one] for one in running], "queue_pending": waiting})


async def post_queue(request):
    gone = set((await request.json()).get("delete", []))
    kept = [one for one in list(queue._queue) if one[0] not in gone]
    queue._queue.clear()
    queue._queue.extend(kept)
    return web.Response()


async def interrupt(request):
    interrupted.set()
    return web.Response()


async def free(request):
    return web.Response()


async def main() -> None:
    app = web.Application(client_max_size=1 << 30)
    app.add_routes(
        [
            web.get("/system_stats", stats),
            web.get("/ws", ws),
            web.post("/prompt", post_prompt),
            web.post("/upload/image", upload),
            web.get("/view", view),
            web.get("/history", get_history),
            web.get("/history/{id}", get_history),
            web.post("/history", post_history),
            web.get("/queue", get_queue),
            web.post("/queue", post_queue),
            web.post("/interrupt", interrupt),
            web.post("/free", free),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    await work()


if __name__ == "__main__":
    assert aiohttp
    asyncio.run(main())
