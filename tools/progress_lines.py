"""A prompt's progress as text: one line that renews itself on a terminal, plain lines elsewhere."""

import sys
import time
from typing import IO, Any

from comfy_events import Event


class ProgressLines:
    """Pass `on_event` to `ComfyClient.run`. graph: the prompt, for the names of its nodes."""

    def __init__(self, graph: dict[str, dict[str, Any]], stream: IO[str] | None = None, every: float = 5.0):
        self.stream = stream or sys.stdout
        self.terminal = self.stream.isatty()
        self.graph, self.every = graph, every
        self.node: str | None = None
        self.steps, self.started, self.told = "", time.monotonic(), 0.0

    def on_event(self, event: Event) -> None:
        """Show an event that is worth showing."""
        if event.kind == "execution_cached":
            reused = [self._name(node) for node in event.data.get("nodes", []) if node in self.graph]
            heavy = [name for name in dict.fromkeys(reused) if name in ("DDIMInvert", "StyleKVCapture")]
            if heavy:
                self._line(f"{' and '.join(heavy)}: kept from before")
        elif event.kind == "executing" and event.node != self.node:
            self._finish()
            self.node, self.steps, self.started, self.told = event.node, "", time.monotonic(), time.monotonic()
            self._renew()
        elif event.kind == "progress" and event.node == self.node:
            self.steps = f"step {event.value:g}/{event.maximum:g}"
            if self.terminal:
                self._renew()
            elif time.monotonic() - self.told >= self.every and event.value < event.maximum:
                self.told = time.monotonic()
                self._line(self._text())
        elif event.final:
            self._finish()

    def _name(self, node: str | None) -> str:
        return self.graph.get(node or "", {}).get("class_type", str(node))

    def _text(self) -> str:
        return f"{self._name(self.node):<24} {self.steps:<14} {time.monotonic() - self.started:5.1f} s"

    def _renew(self) -> None:
        if self.terminal:
            self.stream.write(f"\r\x1b[K    {self._text()}")
            self.stream.flush()

    def _line(self, text: str) -> None:
        self.stream.write(("\r\x1b[K" if self.terminal else "") + f"    {text}\n")
        self.stream.flush()

    def _finish(self) -> None:
        """The last word on the current node: kept as a line when it took steps or time."""
        if self.node is not None and (self.steps or time.monotonic() - self.started > 1):
            self._line(self._text())
        elif self.terminal:
            self.stream.write("\r\x1b[K")
        self.node = None
