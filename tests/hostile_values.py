"""Senseless values for every widget of every node, and a graph around each node that a value can be put into."""

from __future__ import annotations

import copy
from collections.abc import Iterator

NOT_NUMBERS = [float("nan"), float("inf"), float("-inf"), "nan", "inf", "-Infinity"]
NUMBERS = [-1, 0, -0.0, 1e-320, 1e308, -1e308, 2**31, 2**63, 2**64, 10**400, -(10**400), True]
PATHS = [
    "../../../../../../etc/passwd", "..\\..\\secret.safetensors", "../secret.safetensors", "/etc/passwd",
    "C:\\Windows\\win.ini", "\\\\host\\share\\secret.safetensors", "file:///etc/passwd", "~/.bashrc", "$HOME/x", "con",
    "a/../../secret.safetensors", "./secret.tif", "secret.tif [output]", "../secret.tif [temp]",
    "/proc/self/environ", "/dev/zero", "/dev/stdin.safetensors", "a\0b.safetensors", "%2e%2e%2fsecret.safetensors", ".",
    "..", "/", "a" * 300 + ".safetensors", "a/" * 500 + "b", ".hidden", "trailing.", " leading", "name:stream",
]  # fmt: skip
TEXTS = [
    "", " ", "\0", "\n" * 1000, "\ud800", "\u202e\u0000\x1b[2J", "9" * 400, "1e309", "-1", "0x10", "٣", "True", "null",
    "output." + "9" * 5000, "output.-1", "input.0-99999999999", "{", "[" * 100_000, '{"a": ' * 2000, "%s%n{0}",
    "x" * 10_000_000, "0.5," * 2_000_000, "\n," * 1_000_000, '"' + "\\" * 1_000_001,
]  # fmt: skip
OTHERS = [None, [], {}, [[]], {"a": 1}, [1, 2, 3], "", False]

LINKS = {
    "MODEL": ["model", 0],
    "CONDITIONING": ["model", 1],
    "VAE": ["model", 2],
    "LATENT": ["capture", 1],
    "STYLE_KV": ["capture", 0],
    "CONTENT_QUERY": ["invert", 1],
    "IMAGE": ["micrograph", 0],
    "MASK": ["micrograph", 1],
    "CELLSTYLE_SETTINGS": ["settings", 0],
}
# instead of what a new node shows
WIDGETS = {"steps": 2, "gammas": "0.5", "taus": "1.5", "overwrite": True, "name": "fuzz/style", "picture_size": 128}
WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def values_for(kind: str) -> list:
    """Every value that is tried in a widget of that kind."""
    return [*OTHERS, *NOT_NUMBERS, *NUMBERS, *([] if kind in ("INT", "FLOAT", "BOOLEAN") else PATHS), *TEXTS]


def inputs_of(info: dict) -> Iterator[tuple[str, str, dict]]:
    """(name, kind, options) of every input in an /object_info entry."""
    for group in ("required", "optional"):
        for name, (kind, *rest) in info["input"].get(group, {}).items():
            yield name, "COMBO" if isinstance(kind, list) else kind, rest[0] if rest else {}


def sound_inputs(info: dict) -> dict:
    """An input for everything but SIGMAS, which would put `steps` out of use."""
    found = {}
    for name, kind, options in inputs_of(info):
        if name in WIDGETS:
            found[name] = WIDGETS[name]
        elif kind in LINKS:
            found[name] = LINKS[kind]
        elif kind == "COMBO":
            found[name] = options.get("default") or options["options"][0]
        elif kind in WIDGET_TYPES and "default" in options:
            found[name] = options["default"]
    if info["name"] == "CellStyleBlend":
        found |= {"styles.style_1": LINKS["STYLE_KV"], "styles.style_2": LINKS["STYLE_KV"]}
    if info["name"] == "CellStyleRestoreSize":
        found["metadata"] = ["micrograph", 2]
    return found


def graph_around(infos: dict[str, dict], node: str) -> dict:
    """A prompt that runs `node`, under the name "target", with sound inputs."""
    latent = {"content": "random", "batch": 1, "channels": 4, "height": 8, "width": 8, "seed": 1}
    graph = {
        "model": {"class_type": "CellStyleTestTinyModel", "inputs": {"kind": "sd15", "seed": 0}},
        "latent": {"class_type": "CellStyleTestLatent", "inputs": latent},
        "shown": {"class_type": "PreviewAny", "inputs": {"source": ["target", 0]}},
    }
    for name, kind in (
        ("capture", "StyleKVCapture"),
        ("invert", "DDIMInvert"),
        ("settings", "CellStyleSettings"),
        ("micrograph", "CellStyleLoadMicrograph"),
        ("target", node),
    ):
        graph[name] = {"class_type": kind, "inputs": sound_inputs(infos[kind])}
        if kind in ("StyleKVCapture", "DDIMInvert"):
            graph[name]["inputs"]["latent"] = ["latent", 0]
    return graph


def with_value(graph: dict, name: str, value) -> dict:
    """The graph with `value` in a widget of the target."""
    graph = copy.deepcopy(graph)
    graph["target"]["inputs"][name] = value
    return graph
