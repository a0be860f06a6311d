"""Style files made to take memory or time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cellstyle.style_file import read_record
from cellstyle.style_file.record import fingerprint, parse_layer
from cellstyle.style_file.style import read_style
from style_bytes import edited, join, split
from style_files import sound_file

ROOT = Path(__file__).resolve().parent.parent

BOMBS = r"""
import importlib.util, json, sys, time
root, folder = sys.argv[1:]
spec = importlib.util.spec_from_file_location("cellstyle", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["cellstyle"] = importlib.util.module_from_spec(spec)
from cellstyle.style_file.style import read_style
from pathlib import Path
assert "comfy" not in sys.modules

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

def refuse(record, size):
    if size > 1e9:
        raise ValueError("too large for this machine")

for path in sorted(Path(folder).iterdir()):
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, started = peak(), time.process_time()
    try:
        read_style(path, refuse)
        said = "a style"
    except ValueError as error:
        said = str(error)
    print(json.dumps([path.name, round(time.process_time() - started, 3), round(peak() - before, 1), said]))
"""


def _bombs(good: bytes, folder: Path) -> None:
    def put(name: str, data: bytes, size: int = 0) -> None:
        with open(folder / name, "wb") as file:
            file.write(data)
            if size:
                file.truncate(size)  # sparse: as large as it says, and empty

    put("lists", join(b'{"a":[' + b"[]," * 690_000 + b"[]]}", b""))
    put("objects", join(b'{"a":[' + b"{}," * 690_000 + b"{}]}", b""))
    put("nest", join(b'{"a":' + b"[" * 2_000_000, b""))
    put("digits", join(b'{"a":' + b"9" * 2_000_000 + b"}", b""))
    empty = ",".join(f'"{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in range(33_000))
    put("tensors", join(b"{" + empty.encode() + b"}", b""))
    header, _ = split(good)
    facts = json.loads(header["__metadata__"]["style"])
    facts["sigmas"] = [1000 - i for i in range(1000)]
    names = [f"output.{i // 100}.{i % 100}" for i in range(512)]
    facts |= {"widths": [[name, 8] for name in names], "layers": names, "grids": {name: [1, 1] for name in names}}
    facts["fingerprint"] = fingerprint(facts["model"], {parse_layer(name): 8 for name in names})
    header["__metadata__"]["style"] = json.dumps(facts)
    put("levels", join(header, split(good)[1]))

    facts = json.loads(split(good)[0]["__metadata__"]["style"])
    facts.update(shape=[4096, 4, 4096, 4096], features=None, inputs="F32", thumbnail=0, conditioning=[])
    facts["conditioning"] = [{"cross_attn": [1, 1, 32], "pooled_output": None, "numbers": {}}]
    shapes = dict.fromkeys(("clean", "inverted"), facts["shape"])
    shapes |= {"inputs": [2, *facts["shape"]], "conditioning.0.cross_attn": [1, 1, 32]}
    at, header = 0, {"__metadata__": {**split(good)[0]["__metadata__"], "style": json.dumps(facts)}}
    for name, shape in shapes.items():
        end = at + 4 * torch.Size(shape).numel()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
        at = end
    start = join(header, b"")
    put("sparse", start, len(start) + at)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory as Linux does")
def test_files_made_to_take_memory_or_time_get_neither(tmp_path, tmp_path_factory):
    _bombs(sound_file(tmp_path_factory.mktemp("good")), tmp_path)
    command = [sys.executable, "-c", BOMBS, str(ROOT), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {name for name, *_ in found} == {"lists", "objects", "nest", "digits", "tensors", "levels", "sparse"}
    for name, seconds, megabytes, said in found:
        assert said != "a style", name
        assert seconds < 2 and megabytes < 200, (name, seconds, megabytes)
    assert found[-2][3] == "too large for this machine"


@pytest.mark.parametrize("key", ["widths", "layers", "grids"])
def test_layers_are_counted_before_they_are_read(tmp_path, tmp_path_factory, monkeypatch, key):
    good = sound_file(tmp_path_factory.mktemp("sound"))
    read = []
    monkeypatch.setattr(read_record, "parse_layer", lambda text: read.append(text) or parse_layer(text))
    path = tmp_path / "given.safetensors"

    def change(header, facts):
        many = [f"output.{n // 1000}.{n % 1000}" for n in range(50_000)]
        facts[key] = {"widths": [[name, 320] for name in many], "grids": {name: [4, 4] for name in many}}.get(key, many)

    path.write_bytes(edited(good, change))
    with pytest.raises(ValueError, match="it has no layers, or too many"):
        read_style(path)
    assert len(read) < 100
