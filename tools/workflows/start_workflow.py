"""The workflow to start with: one node, two pictures, a result."""

from __future__ import annotations

from workflow_graph import Graph
from workflow_parts import BLUE, BROWN, CHLOROPLAST, FAST, GREEN, PORCELAIN, demo_model, example

START = """\
### Press Run
The picture on top keeps its **structure** and takes on the **texture and colour** of the one below.

- **preset** is the look: *faithful*, *balanced* or *painterly*. *custom* hands over to the dials:
- **gamma** keeps the cell's structure: 0.75 faithful, 0.5 balanced, 0.3 painterly.
- **tau** sharpens the strokes: 1 is soft, 1.5 the paper's, 2 crisp.

### Your pictures
Drop a file on the canvas and wire the *Load Image* that appears in the place of *Content* or *Style*. For TIFFs, stacks
and 16 bits take *Load Micrograph*.

### Fluorescence
Cells on black: with every preset the empty ground stays even, in one colour of the style. Or *Load Micrograph* with
**invert** on, so that they lie on white like ink on paper; *Invert Image* turns the result back.

### Your own Stable Diffusion 1.5
1. Put the checkpoint into ComfyUI's `models/checkpoints` and press R.
2. Add *Load Checkpoint*, choose it, and *CLIP Text Encode* with no text, wired to its CLIP.
3. Wire MODEL, the CONDITIONING and VAE to *Cell Style Transfer* in the place of the demo model, and delete that.

The demo model is tiny: it shows what the dials do. A real checkpoint paints far richer textures.
"""


def start() -> Graph:
    """Five nodes: the embedded model, two pictures, the transfer, a preview."""
    graph = Graph("Cell style - start here (no download)")
    model = demo_model(graph)
    content, style = example(graph, "Content", CHLOROPLAST), example(graph, "Style", PORCELAIN)
    transfer = graph.add(
        "CellStyleTransfer",
        "Cell Style Transfer",
        **model.shared,
        vae=model.vae,
        content=content[0],
        style=style[0],
        preset="balanced",
        speed="fast",
        flat_background=1.0,
        **FAST,
    )
    preview = graph.add("PreviewImage", "Stylised micrograph", images=transfer[0], canvas=(480, 520))
    notes = graph.add("MarkdownNote", "Start here", text=START)
    graph.column(("", "", [[notes]]))
    graph.column(("Two pictures", GREEN, [[content, style]]), ("Model", BLUE, [model.nodes]))
    graph.column(("Transfer", BROWN, [[transfer], [preview]]))
    return graph
