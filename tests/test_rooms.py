"""CONTRIBUTING.md's map is true: what each room may import, no circles, an equation where the table says."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from places import ROOMS, ROOT

LONGEST = 300
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def table(first: str) -> list[list[str]]:
    """The cells of the table whose head begins with a word."""
    lines = TEXT[TEXT.index(f"| {first} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@cache
def allowed() -> dict[str, set[str]]:
    """What each room of code may import: "engine/" for a room, "comfy" or "comfy_api.latest" for a module."""
    found = {}
    for room, _, imports in table("room"):
        names = re.findall(r"`([^`]+)`", room)
        if len(names) == 1 and "anything" not in imports and files(names[0].rstrip("/")):
            found[names[0].rstrip("/")] = set(re.findall(r"`([^`]+)`", imports))
    return found


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def module_name(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imports(path: Path, types: bool = False) -> Iterator[str]:
    """Full names of what a file imports: "engine.invert" for our own, "torch.nn" for others'. types: also what is
    imported for annotations alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not types:
            skipped.update(id(inner) for inner in ast.walk(node))
    package = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{base}.{alias.name}" if base else alias.name


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, by Tarjan's algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(group)

    for name in graph:
        if name not in index:
            visit(name)
    return found


def graph_of(paths: dict[str, Path]) -> dict[str, set[str]]:
    graph = {}
    for name, path in paths.items():
        graph[name] = {
            known
            for imported in imports(path)
            for known in (imported, imported.rpartition(".")[0])
            if known in paths and known != name
        }
    return graph


def test_the_table_has_every_room():
    assert set(ROOMS) <= set(allowed())
    folders = {path.parent.relative_to(ROOT).parts[0] for path in ROOT.glob("*/**/*.py")}
    hidden = {name for name in folders if name.startswith(".") or name in ("output", "tools", "tests")}
    assert folders - hidden == set(allowed())


@pytest.mark.parametrize("room", sorted(allowed()))
def test_a_room_imports_what_the_table_allows(room):
    rooms, wrong = set(allowed()), []
    for path in files(room):
        for name in imports(path, types=True):
            top = name.partition(".")[0]
            if top == room or top in sys.stdlib_module_names:
                continue
            if top in rooms:
                fine = f"{top}/" in allowed()[room]
            else:
                fine = any(name == each or name.startswith(f"{each}.") for each in allowed()[room])
            if not fine:
                wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", sorted(allowed()))
def test_the_table_allows_nothing_that_a_room_does_not_import(room):
    known = {name for path in files(room) for name in imports(path, types=True)}
    idle = [
        each
        for each in allowed()[room]
        if not any(name == each.rstrip("/") or name.startswith(f"{each.rstrip('/')}.") for name in known)
    ]
    assert not idle, f"{room}: {idle}"


@pytest.mark.parametrize("row", [row for row in table("room") if row[0].endswith("/`")], ids=lambda row: row[0])
def test_what_the_table_names_is_in_the_room(row):
    rooms = [ROOT / name for name in re.findall(r"`([^`]+)`", row[0])]
    assert all(room.is_dir() for room in rooms)
    for name in re.findall(r"`([\w/*]+(?:\.py|/))`", row[1]):
        found = (ROOT / name).exists() or any(any(room.rglob(name.rstrip("/"))) for room in rooms)
        assert found, f"{row[0]} has no {name}"


def test_rooms_import_only_rooms_below_them():
    order = list(allowed())
    for room, names in allowed().items():
        for name in names:
            if name.endswith("/"):
                assert order.index(name.rstrip("/")) > order.index(room), f"{room} is below {name}"


def test_no_module_of_the_pack_imports_itself_in_a_circle():
    paths = {module_name(path): path for room in allowed() for path in files(room)}
    assert len(paths) > 100
    assert circles(graph_of(paths)) == []


def test_no_tool_imports_itself_in_a_circle():
    assert circles(graph_of({path.stem: path for path in files("tools")})) == []


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_only_the_choosing_function_knows_which_families_there_are():
    doors = {"choose", "architecture"}
    for room in allowed():
        for path in files(room):
            if path.parent.name == "architectures":
                continue
            inner = [n.split(".")[2] for n in imports(path) if n.startswith("attention_patch.architectures.")]
            assert set(inner) <= doors, f"{path.relative_to(ROOT)} imports {inner}"


@pytest.mark.parametrize("room", [*sorted(allowed()), "tools"])
def test_files_stay_readable(room):
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files(room)}
    long = {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > LONGEST}
    assert not long, f"over {LONGEST} lines: {long}"


def test_nodes_holds_nodes_and_their_list():
    for path in files("nodes"):
        if path.name != "__init__.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            nodes = [
                c
                for c in tree.body
                if isinstance(c, ast.ClassDef) and any("ComfyNode" in ast.unparse(b) for b in c.bases)
            ]
            assert len(nodes) == 1, path.name


@pytest.mark.parametrize("row", table("equation"), ids=lambda row: row[0])
def test_an_equation_is_where_the_table_says(row):
    _, source, function, test = row
    assert source
    file, name = re.fullmatch(r"`equations/(\w+)\.py` `(\w+)`", function).groups()
    module = importlib.import_module(f"cellstyle.equations.{file}")
    assert callable(getattr(module, name))
    path = ROOT / "tests" / f"{test.strip('`')}.py"
    assert path.is_file()


def test_every_file_of_equations_is_in_the_table():
    named = {re.search(r"`equations/(\w+)\.py`", row[2])[1] for row in table("equation")}
    helpers = {"__init__", "token_grid"}
    assert named | helpers == {path.stem for path in files("equations")}
