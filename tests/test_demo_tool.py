"""tools/demo.py: it fills the workflow, keeps proportions, shows progress anywhere, leaves a contact sheet."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import demo_graph
import demo_pictures
import host
import pytest
from comfy_events import Event
from host_layout import HostError
from PIL import Image
from progress_lines import ProgressLines

DEMO = Path(host.__file__).with_name("demo.py")
GRAPH = {
    "1": {"class_type": "CellStyleLoadDemoModel", "inputs": {}},
    "2": {"class_type": "CellStyleLoadExample", "inputs": {"picture": "a.png"}},
    "3": {"class_type": "CellStyleLoadExample", "inputs": {"picture": "b.png"}},
    "4": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 2]}},
    "5": {"class_type": "VAEEncode", "inputs": {"pixels": ["3", 0], "vae": ["1", 2]}},
    "6": {"class_type": "DDIMInvert", "inputs": {"model": ["1", 0], "latent": ["5", 0], "steps": 20}},
    "7": {"class_type": "StyleKVCapture", "inputs": {"model": ["1", 0], "latent": ["4", 0], "steps": ["8", 0]}},
    "8": {"class_type": "InjectedSampler", "inputs": {"gamma": 0.75, "tau": 1.5, "style_kv": ["7", 0]}},
}


def test_pictures_go_to_the_branch_that_uses_them():
    graph = demo_graph.filled(GRAPH, "cell.png", "ink.png", gamma=0.3, steps=4)
    assert graph["3"] == {"class_type": "LoadImage", "inputs": {"image": "cell.png"}}
    assert graph["2"] == {"class_type": "LoadImage", "inputs": {"image": "ink.png"}}
    assert graph["8"]["inputs"]["gamma"] == 0.3 and graph["8"]["inputs"]["tau"] == 1.5
    assert graph["6"]["inputs"]["steps"] == 4
    assert graph["7"]["inputs"]["steps"] == ["8", 0]  # wired inputs stay wired
    assert GRAPH["2"]["inputs"] == {"picture": "a.png"}


def test_the_model_is_replaced_only_when_it_is_not_there():
    assert demo_graph.filled(GRAPH, "a", "b")["1"]["class_type"] == "CellStyleLoadDemoModel"
    assert demo_graph.filled(GRAPH, "a", "b", random_model=True)["1"]["class_type"] == "CellStyleTestTinyModel"


def test_a_branch_without_a_picture_is_a_sentence():
    graph = {"6": {"class_type": "DDIMInvert", "inputs": {"steps": 20}}}
    with pytest.raises(HostError, match="No CellStyleLoadExample leads to DDIMInvert"):
        demo_graph.filled(graph, "a", "b")


@pytest.mark.parametrize(
    ("size", "expected"), [((660, 550), (384, 320)), ((512, 512), (384, 384)), ((101, 53), (96, 48))]
)
def test_pictures_are_multiples_of_8_with_the_aspect_kept(size: tuple[int, int], expected: tuple[int, int]):
    assert demo_pictures.fitted(Image.new("L", size), 384).size == expected


def test_the_contents_are_real_micrographs():
    pictures = demo_pictures.contents(128)
    assert [picture.name for picture in pictures][:2] == ["tissue", "cell"]
    assert all(picture.image.mode == "RGB" and max(picture.image.size) <= 128 for picture in pictures)


def test_the_contact_sheet_is_a_matrix_of_contents_and_styles():
    def picture(name: str, colour: str) -> demo_pictures.Picture:
        return demo_pictures.Picture(name, Image.new("RGB", (64, 48), colour), "")

    contents = [picture("tissue", "#ff0000"), picture("cell", "#800000")]
    styles = [
        picture(name, colour) for name, colour in (("ink", "#00ff00"), ("mural", "#008000"), ("durian", "#004000"))
    ]
    results = {
        (style.name, content.name): Image.new("RGB", (64, 48), (10 * s, 10 * c, 255))
        for s, style in enumerate(styles)
        for c, content in enumerate(contents)
    }
    # as the demo runs them: all contents of a style, then the next style
    rows = [demo_pictures.Row(c, s, results[s.name, c.name]) for s in styles for c in contents]
    sheet = demo_pictures.contact_sheet(rows, "gamma 0.75", warning="Random weights")

    def place(colour) -> tuple[int, int]:
        found = [
            (x, y)
            for y in range(0, sheet.height, 4)
            for x in range(0, sheet.width, 4)
            if sheet.getpixel((x, y)) == colour
        ]
        return min(found)

    columns = [place(style.image.getpixel((0, 0)))[0] for style in styles]
    lines = [place(content.image.getpixel((0, 0)))[1] for content in contents]
    assert columns == sorted(columns) and lines == sorted(lines)
    for s, style in enumerate(styles):
        for c, content in enumerate(contents):
            assert place(results[style.name, content.name].getpixel((0, 0))) == (columns[s], lines[c])
    assert sheet.width < 2 * sheet.height and sheet.height < 1.5 * sheet.width


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def play(stream: io.StringIO) -> str:
    lines = ProgressLines(GRAPH, stream, every=0.0)
    for event in (
        Event("execution_cached", "p", data={"nodes": ["6", "2"]}),
        Event("executing", "p", "7"),
        *(Event("progress", "p", "7", step, 3) for step in (1, 2, 3)),
        Event("executing", "p", "8"),
        Event("execution_success", "p"),
    ):
        lines.on_event(event)
    return stream.getvalue()


def test_progress_is_plain_lines_when_it_is_no_terminal():
    text = play(io.StringIO())
    assert "DDIMInvert: kept from before" in text
    assert "step 1/3" in text and text.count("step 3/3") == 1
    assert "\r" not in text and "\x1b" not in text


def test_progress_renews_one_line_on_a_terminal():
    text = play(Terminal())
    assert text.count("\n") == 2
    assert "step 2/3" in text


@pytest.mark.skipif(not demo_graph.WORKFLOW.is_file(), reason="the workflow is not there yet")
@pytest.mark.skipif(not list(demo_pictures.EXAMPLES.glob("style_*.png")), reason="no style pictures yet")
def test_the_demo_runs_from_the_command_line(tmp_path: Path):
    command = [sys.executable, str(DEMO), "--quick", "--size", "64", "--steps", "2", "--output", str(tmp_path)]
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\r" not in done.stdout and done.stderr == ""
    with Image.open(tmp_path / "contact_sheet.png") as sheet:
        assert sheet.width > 600 and sheet.height < 2 * sheet.width
    assert len(list(tmp_path.glob("*.png"))) == 3
    url = next(line for line in done.stdout.splitlines() if "http://127.0.0.1" in line).split()[-1]
    with pytest.raises(OSError):
        host_is_up(url)


def host_is_up(url: str) -> None:
    """OSError when nothing listens at the address."""
    import socket

    address, port = url.removeprefix("http://").split(":")
    socket.create_connection((address, int(port)), timeout=5).close()
