"""The real front end in a headless Chromium: open it, load a workflow, run it, and see what went wrong."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = "window.app?.extensionManager && window.app.canvas && !document.querySelector('#splash-loader')"
EVENTS = ["execution_start", "execution_cached", "executing", "progress", "executed", "execution_success"]
EVENTS += ["execution_error", "execution_interrupted", "b_preview"]
LISTEN = """(names) => {
  window.seen = [];
  for (const name of names)
    app.api.addEventListener(name, (event) => window.seen.push([name, name == 'b_preview' ? null : event.detail]));
}"""


class FrontEnd:
    """The page of a running server. `errors`: what its console and its scripts complained of since `forget`."""

    def __init__(self, page: Page, url: str):
        self.page, self.url = page, url
        self.errors: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))

    def _on_console(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def open(self) -> None:
        """Load the front end afresh and wait until it can be used."""
        self.page.goto(self.url)
        self.page.wait_for_function(READY, timeout=60_000)
        self.page.wait_for_function("app.graph.nodes.length > 0 || document.querySelector('canvas')", timeout=30_000)
        self.page.wait_for_timeout(1500)  # what it opens at the start is loaded after it is ready
        self.page.evaluate(LISTEN, EVENTS)
        self.forget()

    def forget(self) -> None:
        """Start counting errors and events anew (an empty user folder makes the front end log 404s at the start)."""
        self.errors.clear()
        self.page.evaluate("() => { window.seen.length = 0 }")

    def load(self, workflow: dict[str, Any]) -> None:
        """Open a workflow as a file dropped on the canvas would."""
        self.page.evaluate("(workflow) => app.loadGraphData(workflow)", workflow)
        self.page.wait_for_timeout(1000)

    def load_template(self, workflow: dict[str, Any]) -> None:
        """Open a workflow as the template browser does: all of it fills three quarters of the window."""
        self.page.evaluate("(it) => app.loadGraphData(it, true, true, null, {openSource: 'template'})", workflow)
        self.page.wait_for_timeout(1000)

    def draw_nodes(self, anew: bool) -> None:
        """Let the front end draw nodes as Nodes 2.0 does, or in its classic way."""
        setting = "async (value) => { await app.extensionManager.setting.set('Comfy.VueNodes.Enabled', value) }"
        self.page.evaluate(setting, anew)
        self.open()

    def graph(self) -> dict[str, Any]:
        """The open workflow as the front end would save it."""
        return self.page.evaluate("() => app.graph.serialize()")

    def prompt(self) -> dict[str, Any]:
        """The open workflow as the front end would submit it."""
        return self.page.evaluate("async () => (await app.graphToPrompt()).output")

    def troubles(self) -> list[str]:
        """What the page shows as an error: dialogs, missing nodes, models and pictures, nodes marked red."""
        found = self.page.evaluate(
            """() => [
              ...app.graph.nodes.filter((node) => !LiteGraph.registered_node_types[node.type])
                .map((node) => `missing node ${node.type}`),
              ...app.graph.nodes.filter((node) => node.has_errors).map((node) => `node with errors ${node.title}`),
            ]"""
        )
        for text in ("errors found", "error found", "Missing Inputs", "Missing Models", "Missing Node Packs"):
            if self.page.get_by_text(text, exact=False).count():
                found.append(text)
        for dialog in self.page.get_by_role("dialog").all():
            found.append(f"dialog: {dialog.inner_text()[:200]}")
        return found

    def run(self, seconds: float = 120) -> list[tuple[str, Any]]:
        """Press Run and wait for the end; the events of the run, (name, detail)."""
        self.forget()
        self.page.get_by_role("button", name="Run", exact=True).first.click()
        return self._until_it_ended(seconds)

    def run_instead(self, prompt: dict[str, Any], seconds: float = 120) -> list[tuple[str, Any]]:
        """Run another prompt than the open workflow's; its nodes show what those of the same ids give."""
        self.forget()
        send = "async (prompt) => { await app.api.queuePrompt(0, {output: prompt, workflow: app.graph.serialize()}) }"
        self.page.evaluate(send, prompt)
        return self._until_it_ended(seconds)

    def _until_it_ended(self, seconds: float) -> list[tuple[str, Any]]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            seen = self.page.evaluate("() => window.seen")
            names = {name for name, _ in seen}
            if names & {"execution_success", "execution_error", "execution_interrupted"}:
                self.page.wait_for_timeout(700)
                return [(name, detail) for name, detail in self.page.evaluate("() => window.seen")]
            self.page.wait_for_timeout(200)
        raise AssertionError(f"the run had not ended after {seconds} s; troubles: {self.troubles()}; {self.errors}")

    def shot(self, name: str) -> None:
        """Keep a screenshot where CELLSTYLE_SCREENSHOTS names a folder: for the README, and to look at."""
        if folder := os.environ.get("CELLSTYLE_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.jpg", type="jpeg", quality=82)

    def point(self, node_id: int, widget: str, part: float) -> tuple[float, float]:
        """Where a widget is on the screen; part: 0 its left end, 1 its right."""
        return tuple(
            self.page.evaluate(
                """([id, name, part]) => {
                  const node = app.graph.getNodeById(id), widget = node.widgets.find((w) => w.name == name);
                  const {scale, offset} = app.canvas.ds, box = app.canvas.canvas.getBoundingClientRect();
                  const x = node.pos[0] + 15 + (node.size[0] - 30) * part, y = node.pos[1] + widget.last_y + 10;
                  return [(x + offset[0]) * scale + box.left, (y + offset[1]) * scale + box.top];
                }""",
                [node_id, widget, part],
            )
        )


@contextlib.contextmanager
def front_end(chromium: str, url: str, size: tuple[int, int] = (2000, 1180)) -> Iterator[FrontEnd]:
    """A browser on the front end at `url`, opened; closed afterwards."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        try:
            page = browser.new_page(viewport={"width": size[0], "height": size[1]}, locale="en-US")
            page.request.post(f"{url}/api/settings/Comfy.TutorialCompleted", data="true")  # else templates cover all
            opened = FrontEnd(page, url)
            opened.open()
            yield opened
        finally:
            browser.close()
