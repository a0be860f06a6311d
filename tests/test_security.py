"""What SECURITY.md promises of the package's own code: no network, no code from data, one door to the disk."""

from __future__ import annotations

import ast
import re

import pytest
from places import ROOMS as FOLDERS
from places import ROOT

ROOMS = (*FOLDERS, "__init__.py")
FORBIDDEN_MODULES = {
    *("socket", "ssl", "http", "urllib", "ftplib", "smtplib", "requests", "aiohttp", "httpx", "huggingface_hub"),
    *("pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "subprocess", "multiprocessing", "ctypes", "runpy"),
    *("webbrowser", "code", "pty", "tempfile", "shutil", "pip", "server"),  # the last is ComfyUI's, for routes
}
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "torch.load", "torch.hub.load", "np.load", "numpy.load", "os.system"),
    *("os.popen", "os.execv", "os.fork", "yaml.load", "builtins.eval", "builtins.exec"),
    *("save_file", "torch.save", "np.save", "np.savez", "tifffile.imwrite"),
}
WRITERS = {
    "write_bytes",
    "write_text",
    "mkdir",
    "makedirs",
    "touch",
    "rename",
    "replace",
    "link",
    "symlink_to",
    "unlink",
}
ROUTES = {"node_parts/picture_route.py": {"server", "aiohttp", "aiohttp.web"}}  # what alone may answer a browser
DOORS = {"style_file/drafts.py", "style_file/tensors.py", "style_file/names.py"}


def sources() -> list:
    files = [
        path for room in ROOMS for path in ([ROOT / room] if room.endswith(".py") else (ROOT / room).rglob("*.py"))
    ]
    assert len(files) > 60
    return files


def imports(tree: ast.Module) -> set[str]:
    """Absolute imports, each with its parents."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {".".join(name.split(".")[:n]) for name in names for n in range(1, name.count(".") + 2)}


def calls(tree: ast.Module) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def check(text: str, name: str) -> list[str]:
    """What in a source breaks a promise."""
    tree = ast.parse(text)
    found = [f"imports {module}" for module in (imports(tree) & FORBIDDEN_MODULES) - ROUTES.get(name, set())]
    for call in calls(tree):
        called = ast.unparse(call.func)
        if called in FORBIDDEN_CALLS:
            found.append(f"calls {called}")
        if name in DOORS:
            continue
        if called in ("open", "io.open", "os.open") and ast.unparse(
            call.args[1] if len(call.args) > 1 else call
        ) not in (
            "'rb'",
            "'r'",
        ):
            found.append(f"opens to write: {ast.unparse(call)}")
        if isinstance(call.func, ast.Attribute) and call.func.attr in WRITERS and is_of_files(call):
            found.append(f"writes: {ast.unparse(call)}")
    return found


def is_of_files(call: ast.Call) -> bool:
    """Texts and dataclasses have a `replace` too."""
    owner = ast.unparse(call.func.value)
    return call.func.attr not in ("replace", "rename") or owner in ("os", "shutil") or "path" in owner.lower()


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_source_keeps_the_promises(path):
    assert not check(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from urllib.request import urlopen",
        "import torch\ntorch.load(path)",
        "eval(text)",
        "open(path, 'w')",
        "open(path, mode=how)",
        "path.write_bytes(data)",
        "os.replace(a, b)",
        "from server import PromptServer",
        "save_file(tensors, path)",
    ],
)
def test_a_broken_promise_is_noticed(text):
    assert check(text, "nodes/example.py")


def test_the_browser_gets_texts_pictures_and_one_script_that_asks_this_server_alone():
    kinds = {path.suffix for path in (ROOT / "web").rglob("*") if path.is_file()}
    assert kinds == {".md", ".jpg", ".js"}
    for script in (ROOT / "web").rglob("*.js"):
        text = script.read_text(encoding="utf-8")
        assert text.isascii()
        assert not re.search(r"https?:|//[a-z]+\.|eval|Function\(|innerHTML|XMLHttpRequest|WebSocket|import\(", text)
