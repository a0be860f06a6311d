"""The workflow for a time-lapse: its frames in one style, steadied, as a video, with a report of the flicker."""

from __future__ import annotations

from workflow_graph import Graph
from workflow_parts import BLUE, BROWN, GREEN, MURAL, PURPLE, TIME_LAPSE, demo_model, example

TEXT = """\
### A time-lapse as a video
1. **Load Micrograph** shows its *example* until you choose a file; *time* frames takes the time axis, *z* frames a
   stack. Its contrast is one for all frames.
2. *Cell Style Transfer of Frames* has **frames_at_once** in memory, however long the film is. **gamma** 0.75 keeps
   still places still, lower flickers more; **tau** sharpens the strokes.
3. *Steady Frames* holds what does not move; a higher **strength** is calmer.
4. **fps** of *Create Video* is how fast time runs; *Save Video* writes an mp4 into ComfyUI's output folder.

The report has a sheet a frame and, at its top, the **flicker**: 1 is as calm as the source, up to 1.5 is hardly seen.
Eight frames take some minutes on a laptop's processor: lower **max_frames** for a first look.
"""


def time_lapse_to_video() -> Graph:
    """Time axis, style, frames, steady frames, video, report."""
    graph = Graph("time_lapse_to_video")
    model = demo_model(graph)
    file = graph.add(
        "CellStyleLoadMicrograph", "Time-lapse: your file or stack", file="", example=TIME_LAPSE, time="frames"
    )
    style = example(graph, "Style", MURAL)
    transfer = graph.add(
        "CellStyleTransferFrames",
        "Cell Style Transfer of Frames",
        **model.shared,
        vae=model.vae,
        content=file["image"],
        style=style[0],
    )
    steady = graph.add("CellStyleSteadyFrames", "Steady Frames", frames=transfer[0], source=file["image"])
    video = graph.add("CreateVideo", "Create Video", images=steady[0], fps=4.0)
    save = graph.add(
        "SaveVideo", "Styled time-lapse", video=video[0], filename_prefix=f"CellStyle/{graph.name}", format="mp4"
    )
    report = graph.add(
        "CellStyleFidelity",
        "Does it flicker?",
        content=file["image"],
        result=steady[0],
        style=style[0],
        mask=file["mask"],
    )
    preview = graph.add("PreviewImage", "Fidelity and flicker", images=report["report"], canvas=(420, 340))
    notes = graph.add("MarkdownNote", "A time-lapse", text=TEXT)
    graph.column(("Model", BLUE, [model.nodes]), ("", "", [[notes]]))
    graph.column(("Time-lapse", GREEN, [[file]]))
    graph.column(("Style", PURPLE, [[style]]), ("Transfer", BROWN, [[transfer]]))
    graph.column(("Video", BROWN, [[steady, video, save]]))
    graph.column(("Report", BLUE, [[report, preview]]))
    return graph
