#!/usr/bin/env python3
"""Stylise real micrographs in a real ComfyUI, through its HTTP API, by one command.

    python3 tools/demo.py [--quick] [--serve] [--port N] [--comfyui VERSION]

Writes the stylised pictures and a contact sheet (content | style | result) to output/demo/. --serve leaves the server
up afterwards, to open in a browser, until Ctrl-C; its address is printed as soon as it can be used.
"""

import require_python  # noqa: F401  first: an old Python cannot even parse what follows

# isort: split
import argparse
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from host import add_version_option, prepare, run_tool
from host_layout import ENV_VERSION, ROOT, HostError, find

if TYPE_CHECKING:
    from comfy_server import ComfyServer
    from demo_pictures import Picture, Row

OUTPUT = ROOT / "output" / "demo"
TEST_NODES = ROOT / "tests" / "support" / "comfy_test_nodes"
MEANINGLESS = "Random weights (the demo model is not here): the result pictures mean nothing."
INSIDE = "CELLSTYLE_INSIDE_HOST"  # set once this runs in the host's own Python


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_version_option(parser)
    parser.add_argument("--quick", action="store_true", help="two pictures, few steps: does everything work?")
    parser.add_argument("--serve", action="store_true", help="leave the server up afterwards, until Ctrl-C")
    parser.add_argument("--port", type=int, help="port to use if it is free")
    parser.add_argument("--gamma", type=float, help="query preservation, 0 to 1 (default: the workflow's)")
    parser.add_argument("--tau", type=float, help="attention temperature (default: the workflow's)")
    parser.add_argument("--steps", type=int, help="noise levels (default: the workflow's; 4 with --quick)")
    parser.add_argument("--size", type=int, help="long side of the pictures in pixels (default 384; 192 with --quick)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the pictures (default output/demo)")
    options = parser.parse_args(arguments)
    options.size = options.size or (192 if options.quick else 384)
    options.steps = options.steps or (4 if options.quick else None)
    return options


def main(arguments: list[str] | None = None) -> int:
    """Prepare the host, go on in its Python, and run the demo there; returns the exit code."""
    options = parse(arguments)
    if os.environ.get(INSIDE):
        return run_tool(lambda: demo(options))

    def body() -> int:
        host = prepare(options.comfyui)
        given = sys.argv[1:] if arguments is None else arguments
        command = [str(host.python), str(Path(__file__).resolve()), *given]
        env = {**os.environ, INSIDE: "1", "PYTHONUTF8": "1"}
        if host.owned:
            env[ENV_VERSION] = host.version
        if os.name == "nt":
            return subprocess.call(command, env=env)
        sys.stdout.flush()
        os.execve(command[0], command, env)

    return run_tool(body)


def demo(options: argparse.Namespace) -> int:
    """Start the server, run every pair, write the pictures; the server is stopped whatever happens."""
    from comfy_events import ComfyError
    from comfy_server import ComfyServer
    from demo_graph import DEMO_MODEL
    from demo_pictures import contents, styles

    host = find()
    random_model = not DEMO_MODEL.is_file()
    content, style = contents(options.size), styles(options.size)
    if options.quick:
        content, style = content[:2], style[:1]
    say(f"Starting ComfyUI {host.version} (about half a minute)")
    if random_model:
        say(f"NOTE: {MEANINGLESS}")
    server = ComfyServer(
        host,
        extra_custom_nodes=[TEST_NODES] if random_model else [],
        args=["--cache-lru", "200"],  # keeps every inversion and captured style, not only the last prompt's
        port=options.port,
        keep=options.serve,
    )
    try:
        with server:
            say(f"ComfyUI is up: {server.url}")
            rows = run_pairs(server, content, style, options, random_model)
            write_sheet(rows, options, random_model)
            if options.serve:
                serve(server)
    except ComfyError as error:
        raise HostError(str(error)) from None
    return 0


def run_pairs(
    server: "ComfyServer",
    content: "list[Picture]",
    style: "list[Picture]",
    options: argparse.Namespace,
    random_model: bool,
) -> "list[Row]":
    """Submit the workflow for every content and style, and save each result."""
    from demo_graph import DEMO_LOADER, filled, read_workflow
    from demo_pictures import Row, save_png
    from PIL import Image
    from progress_lines import ProgressLines

    workflow = read_workflow()
    if not random_model and not server.client.object_info(DEMO_LOADER):
        raise HostError(f"The pack has no node {DEMO_LOADER}, which the demo's workflow needs.")
    for picture in (*content, *style):
        save_png(picture.image, server.input_dir / f"{picture.name}.png")
    dials = {name: value for name in ("gamma", "tau", "steps") if (value := getattr(options, name)) is not None}
    pairs = [(each, with_style) for with_style in style for each in content]
    expected = "under a minute" if options.quick else "up to 3 minutes"
    say(
        f"{len(pairs)} pictures from {len(content)} micrographs and {len(style)} styles: {expected} on 4 idle CPU cores"
    )
    rows, started = [], time.monotonic()
    for number, (each, with_style) in enumerate(pairs, 1):
        left = (time.monotonic() - started) / max(1, number - 1) * (len(pairs) - number + 1)
        eta = f" (about {left:.0f} s left)" if number > 1 else ""
        say(f"[{number}/{len(pairs)}] {each.name} in the style of {with_style.name}{eta}")
        graph = filled(workflow, f"{each.name}.png", f"{with_style.name}.png", random_model=random_model, **dials)
        result = server.client.run(graph, timeout=1800, on_event=ProgressLines(graph).on_event)
        if not result.images:
            raise HostError("The workflow saved no picture.")
        data = server.client.fetch_image(result.images[-1])
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / f"{each.name}_{with_style.name.replace(' ', '_')}.png").write_bytes(data)
        rows.append(Row(each, with_style, Image.open(io.BytesIO(data))))
    say(f"{len(pairs)} pictures in {time.monotonic() - started:.0f} s")
    return rows


def write_sheet(rows: "list[Row]", options: argparse.Namespace, random_model: bool) -> None:
    """Write the contact sheet and say where everything is."""
    from demo_graph import dial, read_workflow
    from demo_pictures import contact_sheet, save_png

    graph = read_workflow()
    gamma = options.gamma if options.gamma is not None else dial(graph, "InjectedSampler", "gamma")
    tau = options.tau if options.tau is not None else dial(graph, "InjectedSampler", "tau")
    steps = options.steps or dial(graph, "DDIMInvert", "steps")
    caption = f"gamma {gamma:g}   tau {tau:g}" + (f"   {steps} steps" if steps else "")
    sheet = contact_sheet(rows, caption, MEANINGLESS if random_model else "")
    say(f"Contact sheet: {save_png(sheet, options.output / 'contact_sheet.png')}")
    say(f"Pictures:      {options.output}")
    if random_model:
        say(f"NOTE: {MEANINGLESS}")


def serve(server: "ComfyServer") -> None:
    """Wait until Ctrl-C, or until the server ends."""
    say(f"Serving at {server.url} until Ctrl-C. The pictures are in its input folder: {server.input_dir}")
    try:
        while True:
            time.sleep(1)
            server.check_alive()
    except KeyboardInterrupt:
        say(f"Stopping. What was made stays in {server.output_dir}")


def say(text: str) -> None:
    """A line on standard output, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
